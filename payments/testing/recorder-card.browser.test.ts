/**
 * Extra minutes paid by card on the recorder page while it records: Stripe's own library in the
 * gateway, a stand-in for Stripe behind it and in the page, and banks that answer when the test says.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Reading } from '../../core/protocol/messages.ts';
import { findChromium } from '../../local/test-browser.ts';
import { PAGE_PATIENCE_MS, testRecorderPage } from '../../local/test-recorder-page.ts';
import { type FakeStripe, startFakeStripe } from './fake-stripe.ts';

/** Slow enough that a busy machine keeps 5 s of it. */
const SPEED = 3;
const SECRET = 'whsec_recorder_page';
/** From "being confirmed" to the limit, meter time; and where the bank is to be 5 s ahead of it. */
const AHEAD_MS = 9_000;
const WELL_AHEAD_MS = 14_000;
/** Before the limit is made to come. */
const PLENTY_MS = 600_000;

const executablePath = findChromium();

interface Session {
  recordedMs: number;
  reason: string;
  bySource: { planMs: number; extraMs: number };
}
interface Bought {
  purchase: string;
  status: string;
  paidAt: string;
  hold: { ms: number } | null;
}

describe.skipIf(executablePath === null)('a card on the recorder page', () => {
  let stripe: FakeStripe;
  afterAll(() => stripe?.stop());
  const at = testRecorderPage(executablePath, {
    async product() {
      stripe = await startFakeStripe();
      const env = {
        STRIPE_SECRET_KEY: stripe.secretKey,
        STRIPE_PUBLISHABLE_KEY: stripe.publishableKey,
        STRIPE_WEBHOOK_SECRETS: SECRET,
        STRIPE_API_URL: stripe.url,
        STRIPE_JS_URL: `${stripe.url}/v3/`,
      };
      return { intervalMs: 500, speed: SPEED, env };
    },
    // The browser notes what was declined.
    expected: /402/,
  });
  beforeAll(() => {
    const url = `${at.product.gatewayUrls[0]}/v1/webhooks/stripe`;
    stripe.webhooks.add({ url, secrets: SECRET });
  });
  const { dialog } = at;
  const api = <Answer>(method: string, path: string, body?: unknown) =>
    at.product.api<Answer>(method, path, body);

  const giveLimit = (ms: number, paymentHoldSeconds: number) =>
    at.givePlan({
      ...{ minutes: ms / 60_000, paymentHoldSeconds },
      thresholds: { percent: [1, 100], remainingMinutes: [] },
    });

  const usage = () => api<Reading>('GET', `/v1/orgs/${at.org}/usage`);
  const planLeftMs = (reading: Reading | null) =>
    (reading?.remainingMs ?? 0) - (reading?.extraRemainingMs ?? 0);
  /** Of the plan, while it has plenty. */
  const planUsedMs = async () => PLENTY_MS - planLeftMs(await usage());
  const ended = () => at.inPhase('ended');

  async function record(): Promise<void> {
    await at.open();
    await at.page.click('#record');
    await at.inPhase('recording');
  }

  async function typeCard(number: string): Promise<void> {
    await dialog().getByLabel('Card number').fill(number);
    await dialog().getByRole('button', { name: 'Pay US$9.99' }).click();
  }

  /** As far as it goes without the bank; returns the intent. */
  async function payByCard(): Promise<string> {
    stripe.holdConfirmations(true);
    await at.page.click('#buy');
    await dialog().getByRole('button', { name: 'Continue to payment' }).click();
    await typeCard('4242 4242 4242 4242');
    await dialog().getByRole('status').filter({ hasText: 'being confirmed' }).waitFor();
    return [...stripe.account.intents.keys()].at(-1)!;
  }

  /** The plan ends soon; returns its new limit, and when that is, in real and in meter time. */
  async function limitComes(holdSeconds: number, aheadMs = AHEAD_MS) {
    const limitMs = Math.round((await planUsedMs()) + aheadMs);
    await giveLimit(limitMs, holdSeconds);
    await at.heard.until(({ reading }) => reading !== null && planLeftMs(reading) <= aheadMs);
    const leftMs = planLeftMs(at.heard.reading);
    return {
      limitMs,
      realAt: at.heard.readAt + leftMs / SPEED,
      limitAt: at.heard.reading!.at + leftMs,
    };
  }

  async function settle(intent: string, realAt: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, realAt - Date.now()));
    stripe.settle(intent, 'succeeded');
  }

  async function lastPurchase(): Promise<Bought> {
    const path = `/v1/orgs/${at.org}/extra-minutes/purchases?limit=1`;
    return (await api<{ items: Bought[] }>('GET', path)).items[0]!;
  }

  /** As the ledger has it, once it ended so. */
  async function settled(session: string, as: object): Promise<Session> {
    let last: Session | null = null;
    const ask = async () => {
      last = await api<Session>('GET', `/v1/sessions/${session}`);
      return last;
    };
    await expect.poll(ask, { timeout: PAGE_PATIENCE_MS }).toMatchObject(as);
    return last!;
  }

  /** It went past the limit in the same breath, on the same connection, into the same file. */
  async function expectOnePiece(limitMs: number, usedBeforeMs: number): Promise<void> {
    await at.page.waitForSelector('#bar[data-level="extra"]');
    const planMs = limitMs - usedBeforeMs;
    await at.heard.until(({ reading }) => reading!.sessionMs > planMs + 3_000);
    await dialog().getByRole('status').filter({ hasText: '60 minutes were added.' }).waitFor();
    await dialog().getByRole('button', { name: 'Done' }).click();
    await at.page.click('#stop');
    await ended();
    expect([at.heard.connections, at.heard.started.length]).toEqual([1, 1]);
    const { session } = at.heard.started[0]!;
    const { recordedMs, bySource } = await settled(session, {
      ...{ reason: 'stopped', bySource: { planMs } },
    });
    expect(bySource.extraMs).toBe(recordedMs - planMs);
    expect(recordedMs).toBeGreaterThan(planMs + 3_000);
    await at.isSaved();
    expect(await at.page.locator('#recordings li').count()).toBe(1);
  }

  /** So that the next one meets its limit. */
  async function takeBack(): Promise<void> {
    const minutes = -(await usage()).extraRemainingMs / 60_000;
    const reason = 'For the next test';
    await api('POST', `/v1/orgs/${at.org}/adjustments`, { kind: 'extra', minutes, reason });
    await expect
      .poll(async () => (await usage()).extraRemainingMs, { timeout: PAGE_PATIENCE_MS })
      .toBe(0);
  }

  it('is asked for by its bank in the page, also where the dialog was closed and opened meanwhile', async () => {
    await giveLimit(PLENTY_MS, 0);
    await at.open();
    await at.page.click('#buy');
    await dialog().getByRole('button', { name: 'Continue to payment' }).click();
    await dialog().getByText('Test mode of Stripe: no money moves').waitFor();
    await dialog().getByLabel('Card number').fill('4000 0025 0000 3155');
    await dialog().getByRole('button', { name: 'Pay US$9.99' }).dblclick();
    const bank = dialog().getByRole('button', { name: 'Complete authentication' });
    await bank.waitFor();
    // Stripe puts the question beside the dialog: whoever hears the page must find it.
    expect(await dialog().getAttribute('aria-modal')).toBe('false');
    await at.page.keyboard.press('Escape');
    expect(await dialog().count()).toBe(0);
    // A frame that is taken out of the page loses what is in it.
    expect(await at.page.locator('[data-fake-stripe]').count()).toBe(1);
    await at.page.click('#buy');
    await bank.click();
    await dialog().getByRole('status').filter({ hasText: '60 minutes were added.' }).waitFor();
    expect(stripe.asked.filter(({ path }) => path.endsWith('/confirm'))).toHaveLength(1);
    const latest = at.page.locator('#purchases li').first();
    await expect
      .poll(() => latest.textContent(), { timeout: PAGE_PATIENCE_MS })
      .toMatch(/Paid \(test\)/);
    await takeBack();
  });

  it('is declined, another one is taken, and confirmed 5 s before the limit', async () => {
    await giveLimit(PLENTY_MS, 0);
    const usedBeforeMs = await planUsedMs();
    await record();
    await at.page.click('#buy');
    await dialog().getByRole('button', { name: 'Continue to payment' }).click();
    await typeCard('4000 0000 0000 0002');
    await dialog().getByRole('alert').filter({ hasText: 'Try another card' }).first().waitFor();
    stripe.holdConfirmations(true);
    await typeCard('4242 4242 4242 4242');
    await dialog().getByRole('status').filter({ hasText: 'being confirmed' }).waitFor();
    const intent = [...stripe.account.intents.keys()].at(-1)!;
    const { limitMs, realAt, limitAt } = await limitComes(0, WELL_AHEAD_MS);
    await dialog()
      .getByText(/You may go on for 0:0\d/)
      .waitFor();
    await settle(intent, realAt - 5_000 / SPEED);
    await expectOnePiece(limitMs, usedBeforeMs);
    const { status, hold, paidAt } = await lastPurchase();
    expect({ status, hold }).toEqual({ status: 'paid', hold: null });
    expect(Date.parse(paidAt)).toBeLessThan(limitAt);
    await takeBack();
  });

  for (const [when, lateMs] of [
    ['at the limit', 0],
    ['2 s after the limit', 2_000],
  ] as const) {
    it(`is confirmed ${when}, and minutes lent meanwhile carry the recording over it`, async () => {
      await giveLimit(PLENTY_MS, 30);
      const usedBeforeMs = await planUsedMs();
      await record();
      const intent = await payByCard();
      const { limitMs, realAt, limitAt } = await limitComes(30);
      await settle(intent, realAt + lateMs / SPEED);
      await expectOnePiece(limitMs, usedBeforeMs);
      const { status, hold, paidAt } = await lastPurchase();
      expect({ status, hold }).toMatchObject({ status: 'paid', hold: { ms: 30_000 } });
      expect(Date.parse(paidAt)).toBeGreaterThan(limitAt + lateMs - 1_000);
      await takeBack();
    });
  }

  it('is confirmed 2 s after the limit where nothing is lent: for the next recording', async () => {
    await giveLimit(PLENTY_MS, 0);
    const usedBeforeMs = await planUsedMs();
    await record();
    const intent = await payByCard();
    const { limitMs, realAt } = await limitComes(0);
    // What it said of a recording that goes on does not hold any more.
    const toldSo = dialog()
      .getByText('recording has stopped. What was recorded is safe.')
      .waitFor();
    await Promise.all([toldSo, ended()]);
    await settle(intent, realAt + 2_000 / SPEED);
    await dialog().getByText('They are there for your next recording.').waitFor();
    const { session } = at.heard.started[0]!;
    await settled(session, {
      reason: 'limitReached',
      bySource: { planMs: limitMs - usedBeforeMs, extraMs: 0 },
    });
    await at.isSaved();
    expect(await at.page.locator('#recordings li').count()).toBe(1);
    await dialog().getByRole('button', { name: 'Done' }).click();
    await at.page.click('#record');
    await at.page.waitForSelector('#bar[data-level="extra"]');
    await at.page.click('#stop');
    await ended();
  });
});
