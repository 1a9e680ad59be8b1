import { and, eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { extraMinutesPackages } from '../../drizzle/schema/extra-minutes.ts';
import { organizations } from '../../drizzle/schema/organizations.ts';
import { payments, stripeCustomers } from '../../drizzle/schema/payments.ts';
import { topUps } from '../../drizzle/schema/top-ups.ts';
import { takeEvent } from '../../payments/take-event.ts';
import { type FakeStripe, startFakeStripe } from '../../payments/testing/fake-stripe.ts';
import { topUpMonth } from '../../payments/top-up-month.ts';
import { topUpMessage } from '../../payments/top-up-words.ts';
import {
  createTestLedger,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { deliver } from './outbox.ts';
import { lookForTopUps } from './top-up.ts';

const INTENTS = '/v1/payment_intents';
/** By it money is taken. */
const CONFIRMATION = /\/confirm$/;
const HOUR_MS = 60 * MINUTE_MS;
/** Of minutes-60. */
const PRICE_CENTS = 999;

let ledger: TestLedger;
let fake: FakeStripe;
beforeAll(async () => {
  ledger = await createTestLedger();
  fake = await startFakeStripe({ now: () => ledger.now });
});
afterEach(async () => {
  fake.faults.clear();
  fake.holdConfirmations(false);
  await ledger.connection.db.update(topUps).set({ enabled: false, judged: topUps.attempts });
});
afterAll(async () => {
  await fake.stop();
  await ledger.stop();
});

const look = () =>
  lookForTopUps({
    ...{ context: ledger.context, log: ledger.context.log, livemode: false },
    stripe: fake.stripe,
  });

/** An organization of 12 minutes that records, with a card that is saved. */
async function saver(card: string, more: Partial<typeof topUps.$inferInsert> = {}) {
  const acme = await ledger.account({ plan: { quotaMs: 12 * MINUTE_MS } });
  const { org } = acme;
  const { stripe } = fake;
  const customer = (await stripe.customers.create({ name: org })).id;
  const setup = await stripe.setupIntents
    .create({ customer, usage: 'off_session', payment_method: card, confirm: true })
    .catch(() => null);
  const paymentMethod =
    (setup?.payment_method as string) ??
    (await stripe.paymentMethods.attach(card, { customer })).id;
  const { db } = ledger.connection;
  await db.insert(stripeCustomers).values({ org, customer, livemode: false, paymentMethod });
  await db.insert(topUps).values({
    ...{ org, enabled: true, package: 'minutes-60', thresholdMs: 10 * MINUTE_MS },
    ...{ monthlyCapCents: 5 * PRICE_CENTS, currency: 'usd' },
    ...{ coolOffMs: 10 * MINUTE_MS, ...more },
  });
  await acme.open('s1');
  return { ...acme, customer };
}
type Saver = Pick<TestOrganization, 'org'> & { customer: string };

const settingsOf = async ({ org }: Saver) =>
  (await ledger.connection.db.select().from(topUps).where(eq(topUps.org, org)))[0]!;
const paymentsOf = ({ org }: Saver) =>
  ledger.connection.db
    .select()
    .from(payments)
    .where(and(eq(payments.org, org), eq(payments.kind, 'topUp')))
    .orderBy(payments.attempt);
/** What was taken of a customer's card at Stripe. */
const charged = ({ customer }: Saver) =>
  [...fake.account.intents.values()].filter(
    (it) => it.customer === customer && it.status === 'succeeded',
  ).length;
function loseAnswers(path: string | RegExp = INTENTS): void {
  fake.faults.add({ method: 'POST', path, cut: 'after' });
  fake.faults.add({ method: 'POST', path, error: { status: 503 }, times: 99 });
}

describe('a top-up', () => {
  it('reaches the running recording before its limit, and is heard of by webhook as well', async () => {
    const acme = await saver('pm_card_visa');
    await acme.record('s1', MINUTE_MS);
    expect(await look()).toBe(0);
    await acme.record('s1', MINUTE_MS);
    expect(await look()).toBe(1);
    await deliver(ledger.context);
    const left = async () => (await acme.budget()).remainingMs;
    expect(await left()).toBe(70 * MINUTE_MS);
    // Past the old limit of 12 minutes, on the same recording.
    await acme.record('s1', 11 * MINUTE_MS);
    expect(await acme.session('s1')).toMatchObject({ state: 'recording', totalMs: 13 * MINUTE_MS });
    const [payment] = await paymentsOf(acme);
    expect(payment).toMatchObject({ status: 'paid', attempt: 1, amountCents: PRICE_CENTS });
    const event = fake.account.events.find(
      (it) =>
        it.type === 'payment_intent.succeeded' && it.data.object.id === payment!.paymentIntent,
    )!;
    const taken = await ledger.connection.db.transaction((tx) => takeEvent(tx, event, ledger.now));
    expect(taken).toMatchObject({ effect: 'none', payment: payment!.id });
    expect(await look()).toBe(0);
    expect(await settingsOf(acme)).toMatchObject({ failures: 0, judged: 1, trouble: null });
    expect(charged(acme)).toBe(1);
  });

  it('counts what is being recorded at this moment, and nothing where nobody records', async () => {
    const acme = await saver('pm_card_visa');
    await ledger.advance(2 * MINUTE_MS);
    expect(await look()).toBe(1);
    const idle = await saver('pm_card_visa');
    await idle.close('s1', 0);
    await ledger.advance(5 * MINUTE_MS);
    await look();
    expect([charged(acme), charged(idle)]).toEqual([1, 0]);
  });

  it('is one where several workers look at once, and one a cool-off', async () => {
    const acme = await saver('pm_card_visa', { thresholdMs: 100 * MINUTE_MS });
    await Promise.all([look(), look(), look()]);
    expect(charged(acme)).toBe(1);
    await ledger.advance(10 * MINUTE_MS - 1);
    await look();
    expect(charged(acme)).toBe(1);
    await ledger.advance(1);
    await Promise.all([look(), look()]);
    expect(charged(acme)).toBe(2);
    expect((await paymentsOf(acme)).map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('is paid once when the answer is lost, by whoever asks again', async () => {
    const acme = await saver('pm_card_visa');
    await ledger.advance(2 * MINUTE_MS);
    loseAnswers();
    await look();
    fake.faults.clear();
    expect(await paymentsOf(acme)).toMatchObject([{ status: 'open', paymentIntent: null }]);
    expect(topUpMessage(await settingsOf(acme))).toContain('tried again');
    expect(await look()).toBe(0);
    await ledger.advance(MINUTE_MS);
    await look();
    expect(await paymentsOf(acme)).toMatchObject([{ status: 'paid' }]);
    expect(charged(acme)).toBe(1);
    expect(await settingsOf(acme)).toMatchObject({ trouble: null, judged: 1 });
  });

  it('whose key Stripe has forgotten is looked for, and not paid a second time', async () => {
    const acme = await saver('pm_card_visa');
    await ledger.advance(2 * MINUTE_MS);
    loseAnswers(CONFIRMATION);
    await look();
    fake.faults.clear();
    await ledger.connection.db
      .update(topUps)
      .set({ tries: 9, nextTryAt: ledger.now })
      .where(eq(topUps.org, acme.org));
    await ledger.advance(30 * HOUR_MS);
    await look();
    expect(await paymentsOf(acme)).toMatchObject([{ status: 'paid' }]);
    expect(charged(acme)).toBe(1);
  });

  it('that waits for a person is canceled, though only a look-up finds it', async () => {
    const acme = await saver('pm_card_visa');
    await ledger.advance(2 * MINUTE_MS);
    fake.faults.add({ method: 'POST', path: INTENTS, error: { status: 503 }, times: 99 });
    await look();
    fake.faults.clear();
    const [payment] = await paymentsOf(acme);
    const { id } = await fake.stripe.paymentIntents.create({
      ...{ amount: PRICE_CENTS, currency: 'usd', customer: acme.customer },
      metadata: { purchase: payment!.id, org: acme.org },
    });
    fake.account.intents.get(id)!.status = 'requires_action';
    await ledger.connection.db
      .update(topUps)
      .set({ tries: 9, nextTryAt: ledger.now })
      .where(eq(topUps.org, acme.org));
    await look();
    expect(fake.account.intents.get(id)!.status).toBe('canceled');
    expect(await settingsOf(acme)).toMatchObject({ judged: 1, failures: 1 });
  });

  it('is never more in a month than the cap, with those that may still be paid', async () => {
    const acme = await saver('pm_card_visa', {
      ...{ thresholdMs: 500 * MINUTE_MS, monthlyCapCents: 2 * PRICE_CENTS + 1 },
    });
    for (let i = 0; i < 4; i++) {
      await look();
      await ledger.advance(10 * MINUTE_MS);
    }
    expect(charged(acme)).toBe(2);
    expect(topUpMessage(await settingsOf(acme))).toContain('1999 cents');
  });

  it('whose package is sold in another currency waits for a cap in it, and counts that one alone', async () => {
    const { db } = ledger.connection;
    const offer = { id: 'minutes-61', name: '61', grantedMs: HOUR_MS, priceCents: PRICE_CENTS };
    await db.insert(extraMinutesPackages).values({ ...offer, currency: 'usd', active: true });
    const acme = await saver('pm_card_visa', {
      ...{ package: offer.id, thresholdMs: 500 * MINUTE_MS, coolOffMs: 0 },
      monthlyCapCents: 2 * PRICE_CENTS,
    });
    await look();
    const sold = eq(extraMinutesPackages.id, offer.id);
    await db.update(extraMinutesPackages).set({ currency: 'eur' }).where(sold);
    await look();
    expect(charged(acme)).toBe(1);
    expect(topUpMessage(await settingsOf(acme))).toMatch(/not sold in USD any more.*new currency/);
    const { org } = acme;
    const anew = { currency: 'eur', pausedUntil: null };
    await db.update(topUps).set(anew).where(eq(topUps.org, org));
    for (let i = 0; i < 3; i++) await look();
    expect((await paymentsOf(acme)).map(({ currency }) => currency)).toEqual(['usd', 'eur', 'eur']);
    expect(charged(acme)).toBe(3);
    const { endsAt, cents } = await topUpMonth(db, { org, currency: 'usd' }, ledger.now);
    expect([cents, (await settingsOf(acme)).pausedUntil]).toEqual([PRICE_CENTS, endsAt]);
  });

  it('begins a new month at the midnight of its organization, wherever that is', async () => {
    const acme = await saver('pm_card_visa', {
      ...{ thresholdMs: 500 * MINUTE_MS, monthlyCapCents: PRICE_CENTS, coolOffMs: 0 },
    });
    const { db } = ledger.connection;
    // Twelve hours ahead of UTC in May.
    await db
      .update(organizations)
      .set({ timeZone: 'Pacific/Auckland' })
      .where(eq(organizations.id, acme.org));
    const midnight = Date.UTC(2026, 4, 31, 12);
    const before = ledger.now;
    await ledger.setNow(midnight - 2);
    await look();
    await ledger.setNow(midnight - 1);
    await look();
    expect(charged(acme)).toBe(1);
    expect(await settingsOf(acme)).toMatchObject({ pausedUntil: midnight });
    await ledger.setNow(midnight);
    await look();
    expect(charged(acme)).toBe(2);
    await ledger.setNow(before);
  });

  it.each([
    ['pm_card_chargeCustomerFail', 'declined'],
    ['pm_card_authenticationRequired', 'once by hand'],
  ])(
    'that fails with %s says so, waits longer each time, and is off after three',
    async (card, words) => {
      const acme = await saver(card);
      await ledger.advance(2 * MINUTE_MS);
      const waits: number[] = [];
      for (let i = 0; i < 3; i++) {
        await look();
        const { pausedUntil, trouble } = await settingsOf(acme);
        expect(trouble).not.toBeNull();
        waits.push(pausedUntil! - ledger.now);
        await ledger.connection.db
          .update(topUps)
          .set({ pausedUntil: null, lastAt: null })
          .where(eq(topUps.org, acme.org));
      }
      expect(waits).toEqual([10, 20, 40].map((minutes) => minutes * MINUTE_MS));
      const row = await settingsOf(acme);
      expect(row).toMatchObject({ enabled: false, failures: 3 });
      expect(topUpMessage(row)).toContain(words);
      expect(topUpMessage(row)).toContain('turn it on again');
      expect(charged(acme)).toBe(0);
    },
  );

  it('waits for a bank that takes its time, and for a card where there is none', async () => {
    const acme = await saver('pm_card_visa');
    await ledger.advance(2 * MINUTE_MS);
    fake.holdConfirmations(true);
    await look();
    await ledger.advance(2 * HOUR_MS);
    await look();
    expect(await paymentsOf(acme)).toMatchObject([{ status: 'processing' }]);
    const bare = await saver('pm_card_visa');
    await ledger.connection.db
      .update(stripeCustomers)
      .set({ paymentMethod: null })
      .where(eq(stripeCustomers.org, bare.org));
    await ledger.advance(3 * MINUTE_MS);
    await look();
    expect(await paymentsOf(bare)).toEqual([]);
    expect(topUpMessage(await settingsOf(bare))).toContain('No card is saved');
  });
});
