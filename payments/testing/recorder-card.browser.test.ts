/**
 * Extra minutes paid by card on the recorder page while it records: Stripe's own library in the
 * gateway, a stand-in for Stripe behind it and in the page, and banks that answer when the test says.
 */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Reading } from '../../core/protocol/messages.ts';
import { findChromium, openBrowser, type TestBrowser } from '../../local/test-browser.ts';
import { BUILD_PATIENCE_MS, buildPage } from '../../local/test-build.ts';
import { type Heard, listenToMeter } from '../../local/test-meter-frames.ts';
import { startTestProduct, type TestProduct } from '../../local/test-product.ts';
import { type FakeStripe, startFakeStripe } from './fake-stripe.ts';

const PLAN = 'recorder-page';
/** Slow enough that a busy machine keeps 5 s of it. */
const SPEED = 2;
const SECRET = 'whsec_recorder_page';
const PATIENCE_MS = 20_000;
/** From "being confirmed" to the limit, meter time: enough to be 5 s ahead of it. */
const AHEAD_MS = 14_000;
/** Before the limit is made to come. */
const PLENTY_MS = 600_000;
const TEST_TIMEOUT_MS = 60_000;

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
  let product: TestProduct;
  let stripe: FakeStripe;
  let browser: TestBrowser;
  let person: BrowserContext;
  let page: Page;
  let heard: Heard;
  let org: string;
  let api: TestProduct['api'];

  beforeAll(async () => {
    await buildPage();
    stripe = await startFakeStripe();
    const env = {
      STRIPE_SECRET_KEY: stripe.secretKey,
      STRIPE_PUBLISHABLE_KEY: stripe.publishableKey,
      STRIPE_WEBHOOK_SECRETS: SECRET,
      STRIPE_API_URL: stripe.url,
      STRIPE_JS_URL: `${stripe.url}/v3/`,
    };
    product = await startTestProduct({ intervalMs: 1_000, speed: SPEED, env });
    api = product.api;
    const url = `${product.gatewayUrls[0]}/v1/webhooks/stripe`;
    stripe.webhooks.add({ url, secrets: SECRET });
    const config = await fetch(`${product.gatewayUrls[0]}/demo/config`);
    org = ((await config.json()) as { org: string }).org;
    browser = await openBrowser(executablePath!);
  }, BUILD_PATIENCE_MS);

  afterAll(async () => {
    await browser?.stop();
    await product?.stop();
    await stripe?.stop();
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(await page.locator('body').textContent());
    await person?.close();
    // The browser notes what was declined, and that nothing was lent.
    const complaints = browser.complaints().filter((text) => !/40[29]/.test(text));
    expect(complaints).toEqual([]);
  });

  async function giveLimit(ms: number, paymentHoldSeconds: number): Promise<void> {
    const thresholds = { percent: [1, 100], remainingMinutes: [] };
    const plan = { name: PLAN, minutes: ms / 60_000, thresholds, paymentHoldSeconds };
    await api('PUT', `/v1/plans/${PLAN}`, plan);
    await api('PUT', `/v1/orgs/${org}`, { name: org, plan: PLAN });
  }

  const dialog = () => page.getByRole('dialog', { name: 'Buy extra minutes' });
  const usage = () => api<Reading>('GET', `/v1/orgs/${org}/usage`);
  const planLeftMs = (reading: Reading | null) =>
    (reading?.remainingMs ?? 0) - (reading?.extraRemainingMs ?? 0);
  /** Of the plan, while it has plenty. */
  const planUsedMs = async () => PLENTY_MS - planLeftMs(await usage());
  const ended = () => page.waitForSelector('body[data-phase="ended"]');

  async function record(): Promise<void> {
    person = await browser.person();
    page = await person.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    heard = listenToMeter(page);
    await page.goto(`${product.gatewayUrls[0]}/?user=alice`);
    await page.click('#record');
    await page.waitForSelector('body[data-phase="recording"]');
  }

  async function typeCard(number: string): Promise<void> {
    await dialog().getByLabel('Card number').fill(number);
    await dialog().getByRole('button', { name: 'Pay US$9.99' }).click();
  }

  /** As far as it goes without the bank; returns the intent. */
  async function payByCard(): Promise<string> {
    stripe.holdConfirmations(true);
    await page.click('#buy');
    await dialog().getByRole('button', { name: 'Continue to payment' }).click();
    await typeCard('4242 4242 4242 4242');
    await dialog().getByRole('status').filter({ hasText: 'being confirmed' }).waitFor();
    return [...stripe.account.intents.keys()].at(-1)!;
  }

  /** The plan ends soon; returns its new limit, and when that is, in real and in meter time. */
  async function limitComes(holdSeconds: number) {
    const limitMs = Math.round((await planUsedMs()) + AHEAD_MS);
    await giveLimit(limitMs, holdSeconds);
    await heard.until(({ reading }) => reading !== null && planLeftMs(reading) <= AHEAD_MS);
    const leftMs = planLeftMs(heard.reading);
    return { limitMs, realAt: heard.readAt + leftMs / SPEED, at: heard.reading!.at + leftMs };
  }

  async function settle(intent: string, realAt: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, realAt - Date.now()));
    stripe.settle(intent, 'succeeded');
  }

  async function lastPurchase(): Promise<Bought> {
    const path = `/v1/orgs/${org}/extra-minutes/purchases?limit=1`;
    return (await api<{ items: Bought[] }>('GET', path)).items[0]!;
  }

  /** As the ledger has it, once it ended so. */
  async function settled(session: string, as: object): Promise<Session> {
    let last: Session | null = null;
    const ask = async () => {
      last = await api<Session>('GET', `/v1/sessions/${session}`);
      return last;
    };
    await expect.poll(ask, { timeout: PATIENCE_MS }).toMatchObject(as);
    return last!;
  }

  /** It went past the limit in the same breath, on the same connection, into the same file. */
  async function expectOnePiece(limitMs: number, usedBeforeMs: number): Promise<void> {
    await page.waitForSelector('#bar[data-level="extra"]');
    const planMs = limitMs - usedBeforeMs;
    await heard.until(({ reading }) => reading!.sessionMs > planMs + 3_000);
    await dialog().getByRole('status').filter({ hasText: '60 minutes were added.' }).waitFor();
    await dialog().getByRole('button', { name: 'Done' }).click();
    await page.click('#stop');
    await ended();
    expect([heard.connections, heard.started.length]).toEqual([1, 1]);
    const { session } = heard.started[0]!;
    const { recordedMs, bySource } = await settled(session, {
      ...{ reason: 'stopped', bySource: { planMs } },
    });
    expect(bySource.extraMs).toBe(recordedMs - planMs);
    expect(recordedMs).toBeGreaterThan(planMs + 3_000);
    expect(await page.locator('#recordings li').count()).toBe(1);
  }

  /** So that the next one meets its limit. */
  async function takeBack(): Promise<void> {
    const minutes = -(await usage()).extraRemainingMs / 60_000;
    const reason = 'For the next test';
    await api('POST', `/v1/orgs/${org}/adjustments`, { kind: 'extra', minutes, reason });
    await expect
      .poll(async () => (await usage()).extraRemainingMs, { timeout: PATIENCE_MS })
      .toBe(0);
  }

  it('is declined, another one is taken, and confirmed 5 s before the limit', {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await giveLimit(PLENTY_MS, 0);
    const usedBeforeMs = await planUsedMs();
    await record();
    await page.click('#buy');
    await dialog().getByRole('button', { name: 'Continue to payment' }).click();
    await typeCard('4000 0000 0000 0002');
    await dialog().getByRole('alert').filter({ hasText: 'Try another card' }).first().waitFor();
    stripe.holdConfirmations(true);
    await typeCard('4242 4242 4242 4242');
    await dialog().getByRole('status').filter({ hasText: 'being confirmed' }).waitFor();
    const intent = [...stripe.account.intents.keys()].at(-1)!;
    const { limitMs, realAt, at } = await limitComes(0);
    await dialog()
      .getByText(/You may go on for 0:0\d/)
      .waitFor();
    await settle(intent, realAt - 5_000 / SPEED);
    await expectOnePiece(limitMs, usedBeforeMs);
    const { status, hold, paidAt } = await lastPurchase();
    expect({ status, hold }).toEqual({ status: 'paid', hold: null });
    expect(Date.parse(paidAt)).toBeLessThan(at);
    await takeBack();
  });

  for (const [when, lateMs] of [
    ['at the limit', 0],
    ['2 s after the limit', 2_000],
  ] as const) {
    it(`is confirmed ${when}, and minutes lent meanwhile carry the recording over it`, {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await giveLimit(PLENTY_MS, 30);
      const usedBeforeMs = await planUsedMs();
      await record();
      const intent = await payByCard();
      const { limitMs, realAt, at } = await limitComes(30);
      await settle(intent, realAt + lateMs / SPEED);
      await expectOnePiece(limitMs, usedBeforeMs);
      const { status, hold, paidAt } = await lastPurchase();
      expect({ status, hold }).toMatchObject({ status: 'paid', hold: { ms: 30_000 } });
      expect(Date.parse(paidAt)).toBeGreaterThan(at + lateMs - 1_000);
      await takeBack();
    });
  }

  it('is confirmed 2 s after the limit where nothing is lent: for the next recording', {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await giveLimit(PLENTY_MS, 0);
    const usedBeforeMs = await planUsedMs();
    await record();
    const intent = await payByCard();
    const { limitMs, realAt } = await limitComes(0);
    await settle(intent, realAt + 2_000 / SPEED);
    await ended();
    await dialog().getByText('They are there for your next recording.').waitFor();
    const { session } = heard.started[0]!;
    await settled(session, {
      reason: 'limitReached',
      bySource: { planMs: limitMs - usedBeforeMs, extraMs: 0 },
    });
    expect(await page.locator('#recordings li').count()).toBe(1);
    await dialog().getByRole('button', { name: 'Done' }).click();
    await page.click('#record');
    await page.waitForSelector('#bar[data-level="extra"]');
    await page.click('#stop');
    await ended();
  });
});
