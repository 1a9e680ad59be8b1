/** Extra minutes bought on the recorder page while it records, in a real browser, by test payments. */
import { describe, expect, it } from 'vitest';
import { findChromium } from '../../local/test-browser.ts';
import { PAGE_PATIENCE_MS, testRecorderPage } from '../../local/test-recorder-page.ts';

const SPEED = 5;
/** Meter time: until the limit is made to come. */
const PLENTY_MS = 600_000;
/** From there to the limit: enough to hear of it before it is reached. */
const AHEAD_MS = 15_000;

const executablePath = findChromium();

describe.skipIf(executablePath === null)('extra minutes on the recorder page', () => {
  const at = testRecorderPage(executablePath, {
    product: () => ({ intervalMs: 500, speed: SPEED }),
  });

  /** @param ms of meter time, the first of them warned of at once */
  const giveLimit = (ms: number) =>
    at.givePlan({ minutes: ms / 60_000, thresholds: { percent: [1, 100], remainingMinutes: [] } });

  it('are bought by keyboard alone, in a dialog that keeps it and gives it back', async () => {
    await giveLimit(PLENTY_MS);
    await at.open();
    const { page, dialog } = at;
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
        const it = document.activeElement as HTMLInputElement;
        return it.value || it.getAttribute('aria-label') || it.textContent;
      });
    const hasFocus = (name: string) =>
      expect.poll(focused, { timeout: PAGE_PATIENCE_MS }).toContain(name);
    const walked: (string | null)[] = [];
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press('Tab');
      walked.push(await focused());
    }
    expect(walked).toEqual(['Continue to payment', 'Close', 'minutes-60', 'Continue to payment']);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await hasFocus('Close');
    await page.keyboard.press('Escape');
    expect(await dialog().count()).toBe(0);
    await hasFocus('Buy minutes');

    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.getAttribute('type') === 'radio');
    await page.keyboard.press('ArrowDown');
    await hasFocus('minutes-150');
    await page.keyboard.press('Enter');
    await dialog().getByText('150 minutes for').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await hasFocus('Succeed');
    await page.keyboard.press('Enter');
    await dialog().getByRole('status').filter({ hasText: '150 minutes were added.' }).waitFor();
    await hasFocus('Done');
    await page.keyboard.press('Enter');
    expect(await dialog().count()).toBe(0);
    await hasFocus('Buy minutes');
    await page.waitForFunction(
      () => document.getElementById('extra-balance')?.textContent === '2:30:00',
    );

    // Opened by somebody who names nobody to give it back to.
    // As text: an import in it is the page's.
    const neighbour = await page.evaluate(`(async () => {
      const { PurchaseDialog } = await import('/client/index.js');
      const note = document.createElement('button');
      document.getElementById('buy').after(note);
      note.focus();
      const getTicket = () => new Promise(() => {});
      const other = new PurchaseDialog({ org: 'acme', url: location.origin, getTicket });
      other.open();
      note.remove();
      other.destroy();
      return document.activeElement.id;
    })()`);
    expect(neighbour).toBe('buy');
  });

  it('are bought from the warning of a running recording, which just goes on', async () => {
    await giveLimit(PLENTY_MS);
    await at.open();
    const { page, dialog, heard } = at;
    await page.click('#record');
    await at.inPhase('recording');
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
    // A note goes by itself, and with it what had the focus.
    await page.evaluate(() => document.getElementById('toasts')!.replaceChildren());
    await dialog().getByRole('button', { name: 'Done' }).click();
    const focusedId = () => page.evaluate(() => document.activeElement?.id);
    await expect.poll(focusedId, { timeout: PAGE_PATIENCE_MS }).toBe('buy');
    const latest = page.locator('#purchases li').first();
    await expect
      .poll(() => latest.textContent(), { timeout: PAGE_PATIENCE_MS })
      .toMatch(/60 min.*Paid/s);
    expect(await page.locator('#bar').getAttribute('data-level')).not.toBe('extra');

    // Now the plan may end.
    const limitMs = heard.reading!.sessionMs + AHEAD_MS;
    await giveLimit(limitMs);
    await page.waitForSelector('#bar[data-level="extra"]');
    await heard.until(({ reading }) => (reading?.sessionMs ?? 0) > limitMs + 2_000);
    expect(await page.locator('.toast', { hasText: 'Now drawing on extra' }).count()).toBe(1);
    await page.click('#stop');
    await at.inPhase('ended');
    expect(heard.connections).toBe(1);
    expect(heard.started).toHaveLength(1);
    const { session } = heard.started[0]!;
    await expect
      .poll(() => at.product.api('GET', `/v1/sessions/${session}`), { timeout: PAGE_PATIENCE_MS })
      .toMatchObject({ reason: 'stopped', bySource: { planMs: limitMs } });
    const { recordedMs, bySource } = await at.product.api<{
      recordedMs: number;
      bySource: { extraMs: number };
    }>('GET', `/v1/sessions/${session}`);
    expect(recordedMs).toBeGreaterThan(limitMs);
    expect(bySource.extraMs).toBe(recordedMs - limitMs);
    // One recording, as long as all of it: the MediaRecorder was never stopped.
    await at.isSaved();
    expect(await page.locator('#recordings li').count()).toBe(1);
    await page.waitForFunction(
      (ms) =>
        (document.querySelector<HTMLAudioElement>('#recordings audio')?.duration ?? 0) * 1_000 > ms,
      (0.8 * recordedMs) / SPEED,
    );
  });
});
