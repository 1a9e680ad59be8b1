/** Buying through Stripe: real calls of its library to a Stripe on this machine, and what goes wrong. */
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditLog } from '../../../drizzle/schema/operations.ts';
import { payments, stripeCustomers, stripeEvents } from '../../../drizzle/schema/payments.ts';
import { connectStripe } from '../../../payments/stripe.ts';
import type { FakeStripe } from '../../../payments/testing/fake-stripe.ts';
import type { TestHttp } from '../test-http.ts';
import { SECRET, WEBHOOK } from './test-events.ts';
import { startTestShop, type TestShop } from './test-shop.ts';

const PURCHASES = '/v1/orgs/acme/extra-minutes/purchases';
const INTENTS = '/v1/payment_intents';

let shop: TestShop;
let fake: FakeStripe;
let http: TestHttp;
let keys = 0;

beforeAll(async () => {
  shop = await startTestShop('acme', 'globex', 'initech');
  ({ http, fake } = shop);
});
afterAll(() => shop?.stop());
beforeEach(() => fake.faults.clear());

function freshKey() {
  keys += 1;
  return { headers: { 'idempotency-key': `click-${keys}` } };
}
async function begin(more: object = {}, options = freshKey()) {
  await http.advance(1);
  return http.call('POST', PURCHASES, { package: 'minutes-60', user: 'ann', ...more }, options);
}
const shown = async (purchase: string) => (await http.call('GET', `${PURCHASES}/${purchase}`)).body;
const intentsOf = (purchase: string) =>
  [...fake.account.intents.values()].filter(({ metadata }) => metadata.purchase === purchase);
const latest = async () => (await http.call('GET', `${PURCHASES}?limit=1`)).body.items[0];

/** All that Stripe has to say of an object, as it sends it. */
async function deliverAbout(id: string): Promise<void> {
  for (const event of fake.webhooks.about(id)) {
    const { body, headers } = fake.webhooks.sign(event, [SECRET], http.now());
    const answer = await http.call('POST', WEBHOOK, body, { as: null, headers });
    expect([event.type, answer.status]).toEqual([event.type, 200]);
  }
}

describe('a purchase', () => {
  it('begins with a payment at Stripe that names it, and is paid when Stripe says so', async () => {
    const { status, body } = await begin();
    expect([status, body.status]).toEqual([201, 'open']);
    const [intent] = intentsOf(body.purchase);
    expect(body.clientSecret).toBe(intent!.client_secret);
    expect(intent).toMatchObject({
      ...{ amount: 999, currency: 'usd', metadata: { purchase: body.purchase, org: 'acme' } },
      // Nobody who records is sent to another page.
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    });
    fake.pay(intent!.id);
    expect((await shown(body.purchase)).status).toBe('open');
    await deliverAbout(intent!.id);
    expect(await shown(body.purchase)).toMatchObject({
      ...{ status: 'paid', user: 'ann', lot: { usedMs: 0, reversedMs: 0 } },
      paidAt: new Date(http.now()).toISOString(),
    });
    expect(await shown(body.purchase)).not.toHaveProperty('clientSecret');
  });

  it('may be paid by ways that leave the page only where that is asked for', async () => {
    const { body } = await begin({ allowRedirects: true });
    const [intent] = intentsOf(body.purchase);
    expect(intent!.automatic_payment_methods).toEqual({ enabled: true, allow_redirects: 'always' });
  });

  it('that is declined may be paid by another card', async () => {
    const { body } = await begin();
    const [intent] = intentsOf(body.purchase);
    fake.pay(intent!.id, 'pm_card_visa_chargeDeclinedInsufficientFunds');
    await deliverAbout(intent!.id);
    expect(await shown(body.purchase)).toMatchObject({
      ...{ status: 'failed', failure: { code: 'insufficient_funds' } },
    });
    await http.advance(2_000);
    fake.pay(intent!.id);
    await deliverAbout(intent!.id);
    expect(await shown(body.purchase)).toMatchObject({ status: 'paid', failure: null });
  });

  it('that is refunded and disputed shows both', async () => {
    const { body } = await begin();
    const [intent] = intentsOf(body.purchase);
    fake.pay(intent!.id);
    const stripe = http.deps.payments!.stripe;
    await stripe.refunds.create({ payment_intent: intent!.id, amount: 100 });
    const dispute = fake.openDispute(intent!.id);
    await deliverAbout(intent!.id);
    expect(await shown(body.purchase)).toMatchObject({ refundedCents: 100, dispute: 'open' });
    fake.closeDispute(dispute.id, 'lost');
    await deliverAbout(dispute.id);
    expect((await shown(body.purchase)).dispute).toBe('lost');
  });

  it('is of one customer an organization, also of those that begin at once', async () => {
    const before = fake.account.customers.size;
    const path = '/v1/orgs/globex/extra-minutes/purchases';
    const both = await Promise.all(
      [1, 2].map(() => http.call('POST', path, { package: 'minutes-60' })),
    );
    await http.call('POST', path, { package: 'minutes-60' });
    const intents = both.flatMap(({ body }) => intentsOf(body.purchase));
    expect(new Set(intents.map(({ customer }) => customer)).size).toBe(1);
    expect(fake.account.customers.size).toBe(before + 1);
    const { name, metadata } = fake.account.customers.get(intents[0]!.customer as string)!;
    expect([name, metadata]).toEqual(['globex', { org: 'globex' }]);
  });

  it('gets another customer where Stripe does not know the one there was', async () => {
    const customer = 'cus_of-another-account';
    await http.db.insert(stripeCustomers).values({ org: 'initech', customer, livemode: false });
    const path = '/v1/orgs/initech/extra-minutes/purchases';
    const { status, body } = await http.call('POST', path, { package: 'minutes-60' });
    expect(status).toBe(201);
    const [row] = await http.db
      .select()
      .from(stripeCustomers)
      .where(eq(stripeCustomers.org, 'initech'));
    expect(intentsOf(body.purchase)[0]!.customer).toBe(row!.customer);
  });
});

describe('the same Idempotency-Key', () => {
  it('is one purchase and one payment, with the same answer', async () => {
    const options = freshKey();
    const all = await Promise.all([begin({}, options), begin({}, options), begin({}, options)]);
    all.push(await begin({}, options));
    for (const { status, body } of all) expect([status, body]).toEqual([201, all[0]!.body]);
    expect(all[0]!.body.clientSecret).toBeTruthy();
    expect(intentsOf(all[0]!.body.purchase)).toHaveLength(1);
    const other = await begin({ package: 'minutes-150' }, options);
    expect(other.body.code).toBe('idempotencyKeyReused');
  });

  it('keeps nothing that opens the payment', async () => {
    const { body } = await begin();
    const kept = await http.db.execute(`select body::text from idempotency_keys`);
    expect(JSON.stringify(kept)).toContain(body.purchase);
    expect(JSON.stringify(kept)).not.toContain(body.clientSecret);
    expect(http.logged.join('')).not.toContain(body.clientSecret);
  });
});

describe('where Stripe does not do what it was asked', () => {
  const ask = async (fault: Parameters<FakeStripe['faults']['add']>[0], options = freshKey()) => {
    fake.faults.add({ method: 'POST', path: INTENTS, ...fault });
    const answer = await begin({}, options);
    fake.faults.clear();
    return { answer, options };
  };

  it('an answer that was lost on its way finds the same payment', async () => {
    const { answer } = await ask({ cut: 'after' });
    expect(answer.status).toBe(201);
    expect(intentsOf(answer.body.purchase)).toHaveLength(1);
  });

  it('a crash between the row and the payment is gone on from', async () => {
    // The library asks three times; then the purchase is as a crash would leave it.
    const { answer, options } = await ask({ cut: 'before', times: 3 });
    expect([answer.status, answer.body.code]).toEqual([503, 'paymentsUnavailable']);
    const left = await latest();
    expect(left).toMatchObject({ status: 'open', lot: null });
    expect(answer.body.detail).toContain(left.purchase);
    expect(intentsOf(left.purchase)).toHaveLength(0);
    const again = await begin({}, options);
    expect([again.status, again.body.purchase]).toEqual([201, left.purchase]);
    expect(intentsOf(left.purchase)).toHaveLength(1);
  });

  it('a payment that was asked for in other words, before an update, is gone on with', async () => {
    for (const wasMade of [true, false]) {
      const { answer, options } = await ask({ error: { status: 503 }, times: 9 });
      expect(answer.status).toBe(503);
      const { purchase } = await latest();
      const { customer } = (await http.db.select().from(stripeCustomers))[0]!;
      const idempotencyKey = `purchase-${purchase}-${customer}`;
      const metadata = { purchase: wasMade ? purchase : 'nothing', org: 'acme' };
      const words = { amount: 999, currency: 'usd', customer, metadata };
      const before = await fake.stripe.paymentIntents.create(words, { idempotencyKey });
      const { status, body } = await begin({}, options);
      expect([status, body.purchase]).toEqual([201, purchase]);
      const [made] = intentsOf(purchase);
      expect(made!.id === before.id).toBe(wasMade);
      expect(body.clientSecret).toBe(made!.client_secret);
    }
  });

  it('a payment whose answer was lost for good is found by its event', async () => {
    const { options } = await ask({ cut: 'after', times: 3 });
    const { purchase } = await latest();
    const [intent] = intentsOf(purchase);
    fake.pay(intent!.id);
    await deliverAbout(intent!.id);
    expect((await shown(purchase)).status).toBe('paid');
    const again = await begin({}, options);
    expect(again.body).toMatchObject({ purchase, status: 'paid', clientSecret: null });
    expect(intentsOf(purchase)).toHaveLength(1);
  });

  it('a refusal is told, and told again', async () => {
    const error = { status: 402, code: 'card_declined', message: 'Your card was declined.' };
    const { answer, options } = await ask({ error });
    expect([answer.status, answer.body.code]).toEqual([402, 'paymentFailed']);
    expect(answer.body.detail).toContain('Your card was declined.');
    expect(await latest()).toMatchObject({ status: 'failed', failure: { code: 'card_declined' } });
    const again = await begin({}, options);
    expect([again.status, again.body.detail]).toEqual([402, answer.body.detail]);
  });

  it('a Stripe that broke does not keep a purchase from going on', async () => {
    const { answer, options } = await ask({ error: { status: 500 }, times: 9 });
    expect([answer.status, answer.body.code]).toEqual([503, 'paymentsUnavailable']);
    await http.advance(60_000);
    const again = await begin({}, options);
    expect(again.status).toBe(201);
    expect(intentsOf(again.body.purchase)).toHaveLength(1);
  });

  it('a key that Stripe does not take is said to be wrong, and not shown', async () => {
    const settings = { ...http.deps.payments!.settings, secretKey: 'sk_test_a-wrong-one' };
    const call = http.with({ payments: { settings, stripe: connectStripe(settings) } });
    const answer = await call('POST', PURCHASES, { package: 'minutes-60' });
    expect([answer.status, answer.body.code]).toEqual([409, 'paymentsNotConfigured']);
    expect(answer.body.detail).toContain('STRIPE_SECRET_KEY');
    expect(http.logged.join('')).toContain('does not take STRIPE_SECRET_KEY');
    expect(http.logged.join('')).not.toContain('wrong-one');
  });
});

describe('a cancellation', () => {
  const cancel = (purchase: string) => http.call('POST', `${PURCHASES}/${purchase}/cancel`);

  it('is made at Stripe, so that nobody pays for it', async () => {
    const { body } = await begin();
    expect((await cancel(body.purchase)).body.status).toBe('canceled');
    const [intent] = intentsOf(body.purchase);
    expect(intent!.status).toBe('canceled');
    await deliverAbout(intent!.id);
    expect((await shown(body.purchase)).status).toBe('canceled');
  });

  it('comes too late for what is paid, which then is', async () => {
    const { body } = await begin();
    const [intent] = intentsOf(body.purchase);
    fake.pay(intent!.id);
    const answer = await cancel(body.purchase);
    expect([answer.status, answer.body.code]).toEqual([409, 'purchaseEnded']);
    const audited = await http.db
      .select()
      .from(auditLog)
      .where(eq(auditLog.subject, body.purchase));
    expect(audited.map(({ action }) => action)).not.toContain('purchase.cancel');
    // Learned by asking, before any event came.
    expect(await shown(body.purchase)).toMatchObject({ status: 'paid', lot: { usedMs: 0 } });
    await deliverAbout(intent!.id);
    expect(
      (await http.db.select().from(payments).where(eq(payments.id, body.purchase)))[0],
    ).toEqual(expect.objectContaining({ status: 'paid' }));
  });

  /** Refused while the payment is on its way; then the bank has said how it ends. */
  async function canceledTooLate(end: 'succeeded' | 'failed'): Promise<string> {
    const { body } = await begin();
    const [intent] = intentsOf(body.purchase);
    fake.holdConfirmations(true);
    fake.pay(intent!.id);
    fake.holdConfirmations(false);
    expect((await cancel(body.purchase)).status).toBe(409);
    fake.settle(intent!.id, end);
    await deliverAbout(intent!.id);
    return body.purchase;
  }

  it('comes too late for what is on its way', async () => {
    const purchase = await canceledTooLate('succeeded');
    expect((await shown(purchase)).status).toBe('paid');
  });

  it('that came too late is made when the bank has refused', async () => {
    const purchase = await canceledTooLate('failed');
    expect((await cancel(purchase)).body.status).toBe('canceled');
    expect(intentsOf(purchase)[0]!.status).toBe('canceled');
  });
});

it('every event that came is kept, with what it did', async () => {
  const effects = await http.db.selectDistinct({ effect: stripeEvents.effect }).from(stripeEvents);
  expect(effects.map(({ effect }) => effect)).toContain('applied');
  expect(effects.map(({ effect }) => effect)).not.toContain('refused');
});
