/** Payments compared with Stripe, where webhooks never came: its own library, against a Stripe of ours. */
import { randomUUID } from 'node:crypto';
import { desc, eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { organizations } from '../../drizzle/schema/organizations.ts';
import { paymentChecks } from '../../drizzle/schema/payment-checks.ts';
import { payments, stripeCustomers } from '../../drizzle/schema/payments.ts';
import { readInvoice, takeInvoice } from '../../payments/invoices.ts';
import { connectStripe } from '../../payments/stripe.ts';
import { type FakeStripe, startFakeStripe } from '../../payments/testing/fake-stripe.ts';
import { createTestLedger, type TestLedger } from '../test-ledger.ts';
import { deliver } from './outbox.ts';
import { answerPaymentCheck, askNightly } from './payment-check.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

let ledger: TestLedger;
let fake: FakeStripe;
let stripe: FakeStripe['stripe'];
let org = '';
/** How far Stripe's clock, and ours, are moved on. */
let laterMs = 0;
const wallMs = () => Date.now() + laterMs;
beforeAll(async () => {
  ledger = await createTestLedger();
  fake = await startFakeStripe({ seed: 7, now: wallMs });
  ({ stripe } = fake);
});
afterAll(async () => {
  await fake.stop();
  await ledger.stop();
});
beforeEach(async () => {
  ({ org } = await ledger.account({}));
});

/** A purchase as it is begun; its intent is at Stripe, and nothing was heard of it since. */
async function begin(more: Partial<typeof payments.$inferInsert> = {}) {
  const id = randomUUID();
  const intent = await stripe.paymentIntents.create({
    ...{ amount: 999, currency: 'usd', metadata: { purchase: id, org } },
  });
  await ledger.connection.db.insert(payments).values({
    ...{ id, org, kind: 'purchase', method: 'paymentIntent', package: 'minutes-60' },
    ...{ grantedMs: HOUR_MS, amountCents: 999, currency: 'usd', livemode: false },
    ...{ startedAt: ledger.now, paymentIntent: intent.id, createdAt: Date.now() },
    ...more,
  });
  return { id, intent: intent.id };
}

async function check(days = 4) {
  const { db } = ledger.connection;
  const [asked] = await db.insert(paymentChecks).values({ actor: 'test', days }).returning();
  const { context } = ledger;
  const log = context.log;
  const options = { context: { ...context, wallMs }, stripe, livemode: false, log };
  expect(await answerPaymentCheck(options)).toBe(true);
  await deliver(context);
  const [row] = await db.select().from(paymentChecks).where(eq(paymentChecks.id, asked!.id));
  expect(row).toMatchObject({ failure: null, doneAt: expect.any(Number) });
  return row!;
}
const payment = async (id: string) =>
  (await ledger.connection.db.select().from(payments).where(eq(payments.id, id)))[0]!;
const lot = async (id: string) =>
  (
    await ledger.connection.db
      .select()
      .from(extraMinutesPurchases)
      .where(eq(extraMinutesPurchases.id, id))
  )[0];

describe('a comparison with Stripe', () => {
  it('finds a payment that no webhook told, gives its minutes, and finds nothing again', async () => {
    const { id, intent } = await begin();
    fake.pay(intent);
    const first = await check();
    expect(first.missed).toEqual([{ payment: id, what: 'paid' }]);
    expect(await lot(id)).toMatchObject({ grantedMs: HOUR_MS, reversedMs: 0 });
    const second = await check();
    expect(second.missed).toEqual([]);
    expect(second.looked).toBeGreaterThan(0);
  });

  it('finds the intent of a purchase that broke off before it was noted', async () => {
    const { id, intent } = await begin({ paymentIntent: null });
    fake.pay(intent);
    await check();
    expect(await payment(id)).toMatchObject({ paymentIntent: intent, status: 'paid' });
    expect(await lot(id)).toMatchObject({ grantedMs: HOUR_MS });
  });

  it('finds refunds, and disputes in all their states', async () => {
    const [refunded, disputed] = [await begin(), await begin()];
    fake.pay(refunded.intent);
    fake.pay(disputed.intent);
    await check();
    await stripe.refunds.create({ payment_intent: refunded.intent, amount: 333 });
    const dispute = fake.openDispute(disputed.intent);
    const { missed } = await check();
    expect(missed.map((it) => it.payment)).toEqual(
      expect.arrayContaining([refunded.id, disputed.id]),
    );
    expect(await lot(refunded.id)).toMatchObject({ reversedMs: Math.floor((HOUR_MS * 333) / 999) });
    expect((await lot(disputed.id))!.frozenAt).not.toBeNull();
    fake.closeDispute(dispute.id, 'won');
    await check();
    expect((await lot(disputed.id))!.frozenAt).toBeNull();
  });

  it('cancels what never reached Stripe, and asks after what is older than the days it lists', async () => {
    const lost = randomUUID();
    const old = await begin({ createdAt: Date.now() - 9 * DAY_MS });
    const before = Date.now() - 2 * DAY_MS;
    await ledger.connection.db.insert(payments).values({
      ...{ id: lost, org, kind: 'purchase', method: 'paymentIntent', package: 'minutes-60' },
      ...{ grantedMs: HOUR_MS, amountCents: 999, currency: 'usd', livemode: false },
      ...{ startedAt: ledger.now, createdAt: before },
    });
    await stripe.paymentIntents.cancel(old.intent);
    await check(1);
    expect(await payment(lost)).toMatchObject({ status: 'canceled' });
    expect(await payment(old.id)).toMatchObject({ status: 'canceled' });
  });

  it('finds a dispute decided, and a refund failed, weeks after the days it lists', async () => {
    const [refunded, disputed] = [await begin(), await begin()];
    fake.pay(refunded.intent, 'pm_card_pendingRefund');
    fake.pay(disputed.intent);
    const refund = await stripe.refunds.create({ payment_intent: refunded.intent });
    const dispute = fake.openDispute(disputed.intent);
    await check();
    expect(await lot(refunded.id)).toMatchObject({ reversedMs: HOUR_MS });
    laterMs = 40 * DAY_MS;
    fake.closeDispute(dispute.id, 'lost');
    fake.failRefund(refund.id);
    await check();
    laterMs = 0;
    expect(await lot(disputed.id)).toMatchObject({ reversedMs: HOUR_MS, frozenAt: null });
    expect(await lot(refunded.id)).toMatchObject({ reversedMs: 0 });
  });

  it('finds a refund that failed long after it was done, and says it where the key may not look', async () => {
    const { id, intent } = await begin();
    fake.pay(intent);
    const refund = await stripe.refunds.create({ payment_intent: intent });
    await check();
    expect(await lot(id)).toMatchObject({ reversedMs: HOUR_MS });
    laterMs = 40 * DAY_MS;
    fake.failRefund(refund.id);
    laterMs += DAY_MS;
    fake.faults.add({ path: '/v1/events', error: { status: 403 } });
    const blind = await check();
    expect(blind.leftOver).toEqual([
      { object: 'events', why: expect.stringMatching(/read on Events/) },
    ]);
    expect(blind.missed).toEqual([]);
    const { missed } = await check();
    const again = await check();
    laterMs = 0;
    expect(missed).toEqual([{ payment: id, what: `refund ${refund.id} failed` }]);
    expect(again.missed).toEqual([]);
    expect(await lot(id)).toMatchObject({ reversedMs: 0 });
  });

  it('goes on where Stripe has not what a purchase names, and ends what nobody can pay', async () => {
    const createdAt = Date.now() - 9 * DAY_MS;
    const gone = { ...(await begin({ createdAt })), createdAt };
    const session = { method: 'checkout', checkoutSession: `cs_${gone.id}` } as const;
    const page = await begin({ ...session, paymentIntent: null, createdAt: gone.createdAt });
    const old = await begin({ createdAt: Date.now() - 61 * DAY_MS });
    const banks = await begin({ createdAt, status: 'processing' });
    for (const it of [gone, page, old, banks]) fake.account.intents.delete(it.intent);
    const { missed, leftOver } = await check();
    expect(leftOver.map(({ object }) => object)).toEqual([banks.intent]);
    // Nobody pays it any more, and each night there are more of them.
    expect((await payment(old.id)).status).toBe('open');
    expect(missed).toEqual(
      expect.arrayContaining([gone, page].map(({ id }) => ({ payment: id, what: 'canceled' }))),
    );
  });

  it('finds an invoice that was paid, and gives overage back for it', async () => {
    const { db } = ledger.connection;
    const { id: customer } = await stripe.customers.create({ name: org });
    await db.insert(stripeCustomers).values({ org, customer, livemode: false });
    const invoice = fake.tellOfInvoice('payment_failed', { customer });
    const failed = readInvoice(fake.account.events.at(-1)!)!;
    await db.transaction((tx) => takeInvoice(tx, failed, ledger.now));
    const since = async () =>
      (await db.select().from(organizations).where(eq(organizations.id, org)))[0]!
        .paymentOverdueSince;
    expect((await check()).missed.filter((it) => it.payment === invoice)).toEqual([]);
    expect(await since()).toBe(ledger.now);
    fake.tellOfInvoice('paid', { customer, invoice });
    // A key that may not read them is no reason to look at nothing.
    fake.faults.add({ path: `/v1/invoices/${invoice}`, error: { status: 403 } });
    expect((await check()).leftOver).toContainEqual({
      object: invoice,
      why: expect.stringMatching(/read on Invoices/),
    });
    expect((await check()).missed).toContainEqual({ payment: invoice, what: 'invoice settled' });
    expect(await since()).toBeNull();
  });

  it('leaves to a person what it cannot know: money for a purchase of nobody, or too little of it', async () => {
    const stranger = await stripe.paymentIntents.create({
      ...{ amount: 999, currency: 'usd', metadata: { purchase: 'of-another', org } },
    });
    fake.pay(stranger.id);
    const short = await begin({ amountCents: 1_999 });
    fake.pay(short.intent);
    const { leftOver, missed } = await check();
    expect(leftOver).toEqual(
      expect.arrayContaining([
        {
          object: stranger.id,
          why: expect.stringMatching(/999 usd were paid for purchase of-ano/),
        },
        { object: short.id, why: expect.stringMatching(/999 usd were received for payment/) },
      ]),
    );
    expect(missed.filter((it) => it.payment === short.id)).toEqual([]);
    expect(await lot(short.id)).toBeUndefined();
  });

  it('passes over payments that are not of this product', async () => {
    const other = await stripe.paymentIntents.create({ amount: 500, currency: 'usd' });
    fake.pay(other.id);
    const { leftOver } = await check();
    expect(leftOver.filter(({ object }) => object === other.id)).toEqual([]);
  });

  it('is asked for once a night, by whichever worker is first', async () => {
    const { context } = ledger;
    const night = Date.UTC(2026, 10, 21, 3, 30);
    await Promise.all([askNightly(context, night), askNightly(context, night)]);
    await askNightly(context, night + 20 * HOUR_MS);
    const asked = () =>
      ledger.connection.db.select().from(paymentChecks).where(eq(paymentChecks.actor, 'worker'));
    expect(await asked()).toHaveLength(1);
    await askNightly(context, night + DAY_MS);
    expect(await asked()).toHaveLength(2);
    await ledger.connection.db.update(paymentChecks).set({ doneAt: night });
  });

  it('says it where Stripe does not answer, and is done', async () => {
    const nobody = connectStripe({ secretKey: fake.secretKey, apiUrl: 'http://127.0.0.1:9' });
    const { context, connection } = ledger;
    await connection.db.insert(paymentChecks).values({ actor: 'test', days: 1 });
    const options = { context, stripe: nobody, livemode: false, log: context.log };
    expect(await answerPaymentCheck(options)).toBe(true);
    expect(await answerPaymentCheck(options)).toBe(false);
    const newest = desc(paymentChecks.id);
    const [row] = await connection.db.select().from(paymentChecks).orderBy(newest).limit(1);
    expect(row!.failure).toMatch(/could not be asked/);
  });
});
