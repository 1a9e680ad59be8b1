/** Extra minutes bought on the recorder page while it records, in a real browser, by test payments. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, openBrowser, type TestBrowser } from '../../local/test-browser.ts';
import { BUILD_PATIENCE_MS, buildPage } from '../../local/test-build.ts';
import { type Heard, listenToMeter } from '../../local/test-meter-frames.ts';
import { startTestProduct, type TestProduct } from '../../local/test-product.ts';

const PLAN = 'recorder-page';
const SPEED = 3;
const PATIENCE_MS = 20_000;

const executablePath = findChromium();

describe.skipIf(executablePath === null)('extra minutes on the recorder page', () => {
  let product: TestProduct;
  let browser: TestBrowser;
  let person: BrowserContext;
  let page: Page;
  let heard: Heard;
  let org: string;

  beforeAll(async () => {
    await buildPage();
    product = await startTestProduct({ intervalMs: 1_000, speed: SPEED });
    const config = await fetch(`${product.gatewayUrls[0]}/demo/config`);
    org = ((await config.json()) as { org: string }).org;
    browser = await openBrowser(executablePath!);
  }, BUILD_PATIENCE_MS);

  afterAll(async () => {
    await browser?.stop();
    await product?.stop();
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      console.error(await page.locator('body').textContent());
    }
    await person?.close();
    // The browser notes every refusal of a gateway; that nothing is lent is one.
    const complaints = browser.complaints().filter((text) => !text.includes('409'));
    expect(complaints).toEqual([]);
  });

  /** @param ms of meter time, the first of them warned of at once */
  async function giveLimit(ms: number): Promise<void> {
    const thresholds = { percent: [1, 100], remainingMinutes: [] };
    const plan = { name: PLAN, minutes: ms / 60_000, thresholds };
    await product.api('PUT', `/v1/plans/${PLAN}`, plan);
    await product.api('PUT', `/v1/orgs/${org}`, { name: org, plan: PLAN });
  }

  async function open(): Promise<void> {
    person = await browser.person();
    page = await person.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    heard = listenToMeter(page);
    await page.goto(`${product.gatewayUrls[0]}/?user=alice`);
  }

  const dialog = () => page.getByRole('dialog', { name: 'Buy extra minutes' });
  const inPhase = (phase: string) => page.waitForSelector(`body[data-phase="${phase}"]`);

  it('are bought by keyboard alone, in a dialog that keeps it and gives it back', async () => {
    await giveLimit(600_000);
    await open();
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.locator('#buy').focus();
    await page.keyboard.press('Enter');
    const first = dialog().getByRole('radio', { name: /^60 minutes/ });
    await first.waitFor();
    expect(await dialog().getAttribute('aria-modal')).toBe('true');
    await page.waitForFunction(() => document.activeElement?.getAttribute('type') === 'radio');
    expect(await page.evaluate(() => document.querySelector('.page')?.hasAttribute('inert'))).toBe(
      true,
    );
    expect(await dialog().evaluate((box) => getComputedStyle(box).animationName)).toBe('none');
    const focused = () =>
      page.evaluate(() => {
        const at = document.activeElement as HTMLInputElement;
        return at.value || at.getAttribute('aria-label') || at.textContent;
      });
    const walked: (string | null)[] = [];
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press('Tab');
      walked.push(await focused());
    }
    expect(walked).toEqual(['Continue to payment', 'Close', 'minutes-60', 'Continue to payment']);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    expect(await focused()).toBe('Close');
    await page.keyboard.press('Escape');
    expect(await dialog().count()).toBe(0);
    expect(await focused()).toContain('Buy minutes');

    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.getAttribute('type') === 'radio');
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toBe('minutes-150');
    await page.keyboard.press('Enter');
    await dialog().getByText('150 minutes for').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Succeed');
    await page.keyboard.press('Enter');
    await dialog().getByRole('status').filter({ hasText: '150 minutes were added.' }).waitFor();
    expect(await focused()).toBe('Done');
    await page.keyboard.press('Enter');
    expect(await dialog().count()).toBe(0);
    expect(await focused()).toContain('Buy minutes');
    await page.waitForFunction(
      () => document.getElementById('extra-balance')?.textContent === '2:30:00',
    );
  });

  it('are bought from the warning of a running recording, which just goes on', async () => {
    const limitMs = 36_000;
    await giveLimit(limitMs);
    await open();
    await page.click('#record');
    await inPhase('recording');
    const warning = page.locator('.toast', { hasText: '1 % of the plan' });
    await warning.getByRole('button', { name: 'Buy minutes' }).click();
    await dialog()
      .getByRole('radio', { name: /^60 minutes.*\$9\.99/ })
      .waitFor();
    await dialog().getByRole('button', { name: 'Continue to payment' }).click();
    await dialog().getByText('Test payment: no money moves').waitFor();
    await dialog().getByRole('button', { name: 'Decline' }).click();
    await dialog().getByRole('alert').filter({ hasText: 'Try another card' }).waitFor();
    await dialog().getByRole('button', { name: 'Succeed' }).click();
    const status = dialog().getByRole('status').filter({ hasText: '60 minutes were added.' });
    await status.waitFor();
    await dialog().getByRole('button', { name: 'Done' }).click();
    expect(await page.locator('#purchases li').first().textContent()).toMatch(/60 min.*Paid/s);

    await page.waitForSelector('#bar[data-level="extra"]', { timeout: limitMs });
    await heard.until(({ reading }) => (reading?.sessionMs ?? 0) > limitMs + 2_000);
    expect(await page.locator('.toast', { hasText: 'Now drawing on extra' }).count()).toBe(1);
    await page.click('#stop');
    await inPhase('ended');
    expect(heard.connections).toBe(1);
    expect(heard.started).toHaveLength(1);
    const { session } = heard.started[0]!;
    await expect
      .poll(() => product.api('GET', `/v1/sessions/${session}`), { timeout: PATIENCE_MS })
      .toMatchObject({ reason: 'stopped', bySource: { planMs: limitMs } });
    const billed = await product.api<{ recordedMs: number; bySource: { extraMs: number } }>(
      'GET',
      `/v1/sessions/${session}`,
    );
    expect(billed.recordedMs).toBeGreaterThan(limitMs);
    expect(billed.bySource.extraMs).toBe(billed.recordedMs - limitMs);
    // One recording, as long as all of it: the MediaRecorder was never stopped.
    expect(await page.locator('#recordings li').count()).toBe(1);
    await page.waitForFunction(
      (ms) => (document.querySelector<HTMLAudioElement>('#recordings audio')?.duration ?? 0) > ms,
      (0.85 * limitMs) / SPEED / 1_000,
    );
  });
});
