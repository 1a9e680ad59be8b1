/** The recorder page in a real browser, on the whole product, with a microphone that beeps. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, openBrowser, type TestBrowser } from '../../local/test-browser.ts';
import { BUILD_PATIENCE_MS, buildPage } from '../../local/test-build.ts';
import { startTestProduct, type TestProduct } from '../../local/test-product.ts';

const PLAN = 'recorder-page';
const LIMIT_MS = 12_000;
/** How long the page may take on a busy machine. */
const PATIENCE_MS = 20_000;

const executablePath = findChromium();

describe.skipIf(executablePath === null)('the recorder page', () => {
  let product: TestProduct;
  let browser: TestBrowser;
  let person: BrowserContext;
  let page: Page;
  let org: string;

  beforeAll(async () => {
    // The gateway serves the page as built.
    await buildPage();
    product = await startTestProduct({ intervalMs: 1_000 });
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
      for (const each of person.pages()) {
        const { phase, connection, save } = await each.evaluate(() => ({
          ...document.body.dataset,
        }));
        const words = await each.locator('body').textContent();
        console.error(`${each.url()}: ${phase}, ${connection}, save ${save}\n${words}`);
      }
    }
    await person?.close();
    expect(browser.complaints()).toEqual([]);
  });

  async function givePlan(minutes: number | null): Promise<void> {
    const thresholds = { percent: [80, 90, 100], remainingMinutes: [] };
    await product.api('PUT', `/v1/plans/${PLAN}`, { name: PLAN, minutes, thresholds });
    await product.api('PUT', `/v1/orgs/${org}`, { name: org, plan: PLAN });
  }

  async function open(query = '?user=alice'): Promise<void> {
    person = await browser.person();
    page = await person.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(`${product.gatewayUrls[0]}/${query}`);
  }

  const inPhase = (phase: string, of = page) => of.waitForSelector(`body[data-phase="${phase}"]`);
  const notice = async () =>
    ((await page.locator('#notice').textContent()) ?? '').replace(/\s+/g, ' ');

  /** Plays the first recording of the list, and says how long it is. */
  async function play(): Promise<{ durationMs: number; playedMs: number; error: string | null }> {
    await page.waitForFunction(() => {
      const audio = document.querySelector('#recordings audio') as HTMLAudioElement | null;
      return audio !== null && Number.isFinite(audio.duration);
    });
    return page.evaluate(async () => {
      const audio = document.querySelector('#recordings audio') as HTMLAudioElement;
      await audio.play();
      await new Promise((resolve) => audio.addEventListener('timeupdate', resolve));
      return {
        durationMs: audio.duration * 1000,
        playedMs: audio.currentTime * 1000,
        error: audio.error?.message ?? null,
      };
    });
  }

  it('is warned, stopped at the limit, billed the limit, and its recording is kept', async () => {
    await givePlan(LIMIT_MS / 60_000);
    await open();
    await page.click('#record');
    await inPhase('recording');
    for (const words of ['80 %', '90 %', 'All of']) {
      await page.locator('.toast', { hasText: words }).waitFor();
    }
    await page.waitForSelector('body[data-phase="ended"][data-save="saved"]');
    expect(await notice()).toMatch(/used up.*Your recording is safe/);
    expect(await page.locator('#remaining').textContent()).toBe('0:00');

    const recorded = await play();
    expect(recorded.error).toBeNull();
    expect(recorded.playedMs).toBeGreaterThan(0);
    expect(recorded.durationMs).toBeGreaterThan(LIMIT_MS * 0.7);

    const session = await page.locator('#recordings li').getAttribute('data-session');
    await expect
      .poll(() => product.api('GET', `/v1/sessions/${session}`), { timeout: PATIENCE_MS })
      .toMatchObject({ reason: 'limitReached', bySource: { planMs: LIMIT_MS, extraMs: 0 } });

    await page.reload();
    await play();
    expect(await page.locator('#recordings li').count()).toBe(1);
  });

  it('refuses when nothing is left, says why, and goes on with extra minutes', async () => {
    await givePlan(LIMIT_MS / 60_000 / 2);
    await open();
    await page.click('#record');
    await inPhase('refused');
    expect(await notice()).toMatch(/Recording was refused/);
    await page.click('#extra-minutes');
    await page.locator('.toast', { hasText: '5 extra minutes' }).waitFor();
    await page.click('#record');
    await inPhase('recording');
    await page.waitForSelector('#bar[data-level="extra"]');
    await page.click('#stop');
    await inPhase('ended');
    await play();
  });

  it('stands still while it is paused', async () => {
    await givePlan(null);
    await open();
    await page.click('#record');
    await inPhase('recording');
    await page.click('#pause');
    await inPhase('paused');
    const shown = await page.locator('#session-time').textContent();
    await page.waitForTimeout(2_500);
    expect(await page.locator('#session-time').textContent()).toBe(shown);
    await page.click('#pause');
    await inPhase('recording');
    await page.waitForFunction(
      (was) => document.getElementById('session-time')?.textContent !== was,
      shown,
    );
    await page.click('#stop');
    await inPhase('ended');
  });

  it('takes its session up again after a reload', async () => {
    await givePlan(null);
    await open();
    await page.click('#record');
    await inPhase('recording');
    const line = await page.locator('#session-line').textContent();
    await page.waitForTimeout(2_500);
    await page.reload();
    await page.click('text=Continue recording');
    await inPhase('recording');
    expect(await page.locator('#session-line').textContent()).toBe(line);
    await page.waitForTimeout(1_500);
    await page.click('#stop');
    await page.locator('#recordings li').nth(1).waitFor();
  });

  it('says when another window took its session over, and keeps what it has', async () => {
    await givePlan(null);
    await open();
    await page.click('#record');
    await inPhase('recording');
    await page.waitForTimeout(1_500);
    const [other] = await Promise.all([person.waitForEvent('page'), page.click('#session-line a')]);
    await other.click('#record');
    await inPhase('recording', other);
    await page.waitForSelector('body[data-phase="lost"][data-save="saved"]');
    expect(await notice()).toMatch(/Another device took over.*Your recording is safe/);
    await other.click('#stop');
    await inPhase('ended', other);
  });

  it('says what to do when the microphone is denied, and starts no session', async () => {
    await givePlan(null);
    await open();
    await page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException('Permission denied', 'NotAllowedError');
      };
    });
    await page.reload();
    await page.click('#record');
    await page.waitForSelector('#notice:not([hidden])');
    expect(await notice()).toMatch(/Allow it in the address bar/);
    expect(await page.getAttribute('body', 'data-phase')).toBe('idle');
  });
});
