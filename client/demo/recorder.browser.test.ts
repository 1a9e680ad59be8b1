/** The recorder page in a real browser, on the whole product, with a microphone that beeps. */
import { describe, expect, it } from 'vitest';
import { findChromium } from '../../local/test-browser.ts';
import { PAGE_PATIENCE_MS, testRecorderPage } from '../../local/test-recorder-page.ts';

const SPEED = 3;
/** Meter time. */
const LIMIT_MS = 12_000;
const LIMIT_MINUTES = LIMIT_MS / 60_000;

const executablePath = findChromium();

describe.skipIf(executablePath === null)('the recorder page', () => {
  const product = () => ({ intervalMs: 500, speed: SPEED });
  const at = testRecorderPage(executablePath, { product });

  const givePlan = (minutes: number | null) =>
    at.givePlan({ minutes, thresholds: { percent: [80, 90, 100], remainingMinutes: [] } });
  const notice = async () =>
    ((await at.page.locator('#notice').textContent()) ?? '').replace(/\s+/g, ' ');

  async function record(): Promise<void> {
    await at.page.click('#record');
    await at.inPhase('recording');
  }

  async function stop(of = at.page): Promise<void> {
    await of.click('#stop');
    await at.inPhase('ended', of);
  }

  /** Two more ticks: the meter has answered to what was done before. */
  async function ticks(): Promise<void> {
    const count = () => at.heard.messages.filter(({ type }) => type === 'tick').length;
    const before = count();
    await at.heard.until(() => count() >= before + 2);
  }

  /** How many recordings the browser's store has, each from its first piece on. */
  const stored = () =>
    at.page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const opening = indexedDB.open('taximeter-recordings');
          opening.onsuccess = () => {
            const { result: database } = opening;
            const counting = database.transaction('recordings').objectStore('recordings').count();
            counting.onsuccess = () => {
              database.close();
              resolve(counting.result);
            };
          };
        }),
    );

  /** A crash would not lose what there is of them. */
  async function soundIsKept(recordings = 1): Promise<void> {
    await expect.poll(stored, { timeout: PAGE_PATIENCE_MS }).toBe(recordings);
  }

  /** Plays the first recording of the list, and says how long it is. */
  async function play(): Promise<{ durationMs: number; playedMs: number; error: string | null }> {
    await at.page.waitForFunction(() => {
      const audio = document.querySelector('#recordings audio') as HTMLAudioElement | null;
      return audio !== null && Number.isFinite(audio.duration);
    });
    return at.page.evaluate(async () => {
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
    await givePlan(LIMIT_MINUTES);
    await at.open();
    await record();
    for (const words of ['80 %', '90 %', 'All of']) {
      await at.page.locator('.toast', { hasText: words }).waitFor();
    }
    await at.page.waitForSelector('body[data-phase="ended"][data-save="saved"]');
    expect(await notice()).toMatch(/used up.*Your recording is safe/);
    expect(await at.page.locator('#remaining').textContent()).toBe('0:00');

    const recorded = await play();
    expect(recorded.error).toBeNull();
    expect(recorded.playedMs).toBeGreaterThan(0);
    expect(recorded.durationMs * SPEED).toBeGreaterThan(LIMIT_MS * 0.7);

    const session = await at.page.locator('#recordings li').getAttribute('data-session');
    await expect
      .poll(() => at.product.api('GET', `/v1/sessions/${session}`), { timeout: PAGE_PATIENCE_MS })
      .toMatchObject({ reason: 'limitReached', bySource: { planMs: LIMIT_MS, extraMs: 0 } });

    await at.page.reload();
    await play();
    expect(await at.page.locator('#recordings li').count()).toBe(1);
  });

  it('refuses when nothing is left, says why, and goes on with extra minutes', async () => {
    await givePlan(LIMIT_MINUTES / 2);
    await at.open();
    await at.page.click('#record');
    await at.inPhase('refused');
    expect(await notice()).toMatch(/Recording was refused/);
    await at.page.click('#extra-minutes');
    await at.page.locator('.toast', { hasText: '5 extra minutes' }).waitFor();
    await record();
    await at.page.waitForSelector('#bar[data-level="extra"]');
    await stop();
    await play();
  });

  it('stands still while it is paused', async () => {
    await givePlan(null);
    await at.open();
    await record();
    await at.page.click('#pause');
    await at.inPhase('paused');
    const shown = await at.page.locator('#session-time').textContent();
    // A second of meter time and more: what runs would show it.
    await ticks();
    expect(await at.page.locator('#session-time').textContent()).toBe(shown);
    await at.page.click('#pause');
    await at.inPhase('recording');
    await at.page.waitForFunction(
      (was) => document.getElementById('session-time')?.textContent !== was,
      shown,
    );
    await stop();
  });

  it('takes its session up again after a reload', async () => {
    await givePlan(null);
    await at.open();
    await record();
    const line = await at.page.locator('#session-line').textContent();
    await ticks();
    await soundIsKept();
    await at.page.reload();
    await at.page.click('text=Continue recording');
    await at.inPhase('recording');
    expect(await at.page.locator('#session-line').textContent()).toBe(line);
    await soundIsKept(2);
    await at.page.click('#stop');
    await at.page.locator('#recordings li').nth(1).waitFor();
  });

  it('says when another window took its session over, and keeps what it has', async () => {
    await givePlan(null);
    await at.open();
    await record();
    await soundIsKept();
    const [other] = await Promise.all([
      at.person.waitForEvent('page'),
      at.page.click('#session-line a'),
    ]);
    await other.click('#record');
    await at.inPhase('recording', other);
    await at.page.waitForSelector('body[data-phase="lost"][data-save="saved"]');
    expect(await notice()).toMatch(/Another device took over.*Your recording is safe/);
    await stop(other);
  });

  it('says what to do when the microphone is denied, and starts no session', async () => {
    await givePlan(null);
    await at.open();
    await at.page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException('Permission denied', 'NotAllowedError');
      };
    });
    await at.page.reload();
    await at.page.click('#record');
    await at.page.waitForSelector('#notice:not([hidden])');
    expect(await notice()).toMatch(/Allow it in the address bar/);
    expect(await at.page.getAttribute('body', 'data-phase')).toBe('idle');
  });
});
