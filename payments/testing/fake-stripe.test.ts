/** The fake, driven by Stripe's own library: what the product's tests may then rely on. */
import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeStripe, startFakeStripe } from './fake-stripe.ts';
import { startEndpoint, type TestEndpoint } from './test-endpoint.ts';

const SECRET = 'whsec_first';
const HOUR_MS = 3_600_000;

let fake: FakeStripe;
let stripe: Stripe;
let aheadMs = 0;

const connect = (key: string, maxNetworkRetries = 0) =>
  new Stripe(key, {
    ...{ host: fake.host, port: fake.port, protocol: 'http', maxNetworkRetries, telemetry: false },
  });

beforeEach(async () => {
  aheadMs = 0;
  fake = await startFakeStripe({ seed: 7, now: () => Date.now() + aheadMs });
  stripe = connect(fake.secretKey);
});
afterEach(() => fake.stop());

const types = (events: readonly Stripe.Event[] = fake.account.events) =>
  events.map((it) => it.type);

/** @throws when it does not fail */
async function failure(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Stripe.errors.StripeError);
  return error as Stripe.errors.StripeError;
}

const PACKAGE = { amount: 900, currency: 'usd', metadata: { org: 'acme' } } as const;

async function saveCard(card = 'pm_card_visa') {
  const { id: customer } = await stripe.customers.create({ metadata: { org: 'acme' } });
  const { id } = await stripe.paymentMethods.attach(card, { customer });
  await stripe.customers.update(customer, { invoice_settings: { default_payment_method: id } });
  return { customer, method: id };
}

const chargeSaved = ({ customer, method }: { customer: string; method: string }, more = {}) =>
  stripe.paymentIntents.create({
    ...PACKAGE,
    ...{ customer, payment_method: method, off_session: true, confirm: true },
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    ...more,
  });

async function paid(card?: string) {
  const { id } = await stripe.paymentIntents.create(PACKAGE);
  fake.pay(id, card);
  return stripe.paymentIntents.retrieve(id);
}

describe('a payment', () => {
  it('is made, paid in the page, and has a charge', async () => {
    const intent = await stripe.paymentIntents.create(PACKAGE);
    expect(intent).toMatchObject({
      status: 'requires_payment_method',
      amount: 900,
      livemode: false,
    });
    expect(intent.client_secret).toMatch(/^pi_\w+_secret_\w+$/);
    fake.pay(intent.id);
    const after = await stripe.paymentIntents.retrieve(intent.id, { expand: ['latest_charge'] });
    expect(after).toMatchObject({ status: 'succeeded', amount_received: 900 });
    expect(after.latest_charge).toMatchObject({ object: 'charge', paid: true, amount: 900 });
    expect(types()).toEqual([
      'payment_intent.created',
      'charge.succeeded',
      'payment_intent.succeeded',
    ]);
    const event = fake.account.events.at(-1)!;
    expect(event).toMatchObject({ livemode: false, api_version: Stripe.API_VERSION });
    expect(event.data.object).toMatchObject({ id: intent.id, metadata: { org: 'acme' } });
    // As it was: later changes are not in it.
    expect(fake.account.events[0]!.data.object).toMatchObject({
      status: 'requires_payment_method',
    });
  });

  it('is charged to a saved card while nobody is there', async () => {
    const saved = await saveCard();
    expect((await stripe.customers.retrieve(saved.customer)) as Stripe.Customer).toMatchObject({
      invoice_settings: { default_payment_method: saved.method },
    });
    expect(await chargeSaved(saved)).toMatchObject({
      status: 'succeeded',
      payment_method: saved.method,
    });
  });

  it('is declined with 402, a code, and the payment in the error', async () => {
    const saved = await saveCard('pm_card_chargeCustomerFail');
    const error = await failure(chargeSaved(saved));
    expect(error).toMatchObject({
      ...{ type: 'StripeCardError', statusCode: 402, code: 'card_declined' },
      decline_code: 'generic_decline',
    });
    expect(error.payment_intent).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'card_declined' },
    });
    expect(types()).toContain('payment_intent.payment_failed');
    expect((await failure(saveCard('pm_card_chargeDeclined'))).statusCode).toBe(402);
  });

  it('needs the person where the bank wants them: an error without them, an action with them', async () => {
    const saved = await saveCard('pm_card_authenticationRequired');
    const error = await failure(chargeSaved(saved));
    expect(error).toMatchObject({ statusCode: 402, code: 'authentication_required' });
    expect(error.payment_intent?.status).toBe('requires_payment_method');

    const { id } = await stripe.paymentIntents.create(PACKAGE);
    expect(fake.pay(id, 'pm_card_authenticationRequired').status).toBe('requires_action');
    fake.authenticate(id, 'failed');
    expect(await stripe.paymentIntents.retrieve(id)).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'payment_intent_authentication_failure' },
    });
    fake.pay(id, 'pm_card_authenticationRequired');
    fake.authenticate(id, 'passed');
    expect((await stripe.paymentIntents.retrieve(id)).status).toBe('succeeded');
  });

  it('stays in processing while held, until a test settles it', async () => {
    fake.holdConfirmations(true);
    const [good, bad] = [await paid(), await paid()];
    expect(good.status).toBe('processing');
    expect((await failure(stripe.paymentIntents.cancel(good.id))).code).toBe(
      'payment_intent_unexpected_state',
    );
    fake.settle(good.id, 'succeeded');
    fake.settle(bad.id, 'failed');
    expect((await stripe.paymentIntents.retrieve(good.id)).status).toBe('succeeded');
    expect((await stripe.paymentIntents.retrieve(bad.id)).last_payment_error?.code).toBe(
      'card_declined',
    );
    const about = types(fake.webhooks.about(good.id));
    expect(about.filter((it) => it.startsWith('payment_intent'))).toEqual([
      ...['payment_intent.created', 'payment_intent.processing', 'payment_intent.succeeded'],
    ]);
  });

  it('is canceled once, and saves its card when asked', async () => {
    const { id } = await stripe.paymentIntents.create(PACKAGE);
    expect((await stripe.paymentIntents.cancel(id)).status).toBe('canceled');
    expect(await failure(stripe.paymentIntents.cancel(id))).toMatchObject({
      statusCode: 400,
      payment_intent: { status: 'canceled' },
    });

    const { id: customer } = await stripe.customers.create();
    const saving = { ...PACKAGE, customer, setup_future_usage: 'off_session' } as const;
    const intent = await stripe.paymentIntents.create(saving);
    fake.pay(intent.id, 'pm_card_authenticationRequiredOnSetup');
    fake.authenticate(intent.id, 'passed');
    const { payment_method: method } = await stripe.paymentIntents.retrieve(intent.id);
    expect((await stripe.paymentMethods.retrieve(method as string)).customer).toBe(customer);
    const again = await chargeSaved({ customer, method: method as string });
    expect(again.status).toBe('succeeded');
  });

  it('is listed by pages, newest first', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i += 1) made.push((await stripe.paymentIntents.create(PACKAGE)).id);
    const first = await stripe.paymentIntents.list({ limit: 2 });
    expect(first.data.map((it) => it.id)).toEqual([made[4], made[3]]);
    expect(first.has_more).toBe(true);
    const last = await stripe.paymentIntents.list({ limit: 3, starting_after: made[3]! });
    expect(last.data.map((it) => it.id)).toEqual([made[2], made[1], made[0]]);
    expect(last.has_more).toBe(false);
    const all: string[] = [];
    for await (const { id } of stripe.paymentIntents.list({ limit: 2 })) all.push(id);
    expect(all).toEqual(made.toReversed());

    aheadMs = HOUR_MS;
    const { id, created } = await stripe.paymentIntents.create(PACKAGE);
    const recent = await stripe.paymentIntents.list({ created: { gte: created } });
    expect(recent.data.map((it) => it.id)).toEqual([id]);
  });
});

describe('a refund', () => {
  it('adds up on the charge, and never past it', async () => {
    const { id, latest_charge: charge } = await paid();
    const first = await stripe.refunds.create({ payment_intent: id, amount: 300 });
    expect(first).toMatchObject({ status: 'succeeded', amount: 300, payment_intent: id, charge });
    expect(await stripe.charges.retrieve(charge as string)).toMatchObject({
      ...{ amount_refunded: 300, refunded: false },
    });
    expect(
      (await failure(stripe.refunds.create({ payment_intent: id, amount: 700 }))).message,
    ).toBe('Refund amount ($7.00) is greater than unrefunded amount on charge ($6.00)');
    await stripe.refunds.create({ payment_intent: id });
    expect(await stripe.charges.retrieve(charge as string)).toMatchObject({
      ...{ amount_refunded: 900, refunded: true },
    });
    expect((await failure(stripe.refunds.create({ payment_intent: id }))).code).toBe(
      'charge_already_refunded',
    );
    const list = await stripe.refunds.list({ payment_intent: id });
    expect(list.data.map((it) => it.amount)).toEqual([600, 300]);
    const events = fake.account.events.filter((it) => it.type === 'charge.refunded');
    expect(events.map((it) => it.data.previous_attributes)).toEqual([
      { amount_refunded: 0 },
      { amount_refunded: 300, refunded: false },
    ]);
  });

  it('may be pending, and may fail after it succeeded', async () => {
    const { id } = await paid('pm_card_pendingRefund');
    const refund = await stripe.refunds.create({ payment_intent: id });
    expect(refund.status).toBe('pending');
    fake.succeedRefund(refund.id);
    fake.failRefund(refund.id, { reason: 'lost_or_stolen_card' });
    expect(await stripe.refunds.retrieve(refund.id)).toMatchObject({
      ...{ status: 'failed', failure_reason: 'lost_or_stolen_card' },
    });
    expect(types().filter((it) => it.startsWith('refund'))).toEqual([
      ...['refund.created', 'refund.updated', 'refund.updated', 'refund.failed'],
    ]);
  });
});

describe('a dispute', () => {
  it('takes the money, and gives it back when won', async () => {
    const { id } = await paid();
    const dispute = fake.openDispute(id);
    expect(await stripe.disputes.retrieve(dispute.id)).toMatchObject({
      ...{ status: 'needs_response', payment_intent: id, amount: 900, is_charge_refundable: false },
    });
    expect((await failure(stripe.refunds.create({ payment_intent: id }))).code).toBe(
      'charge_disputed',
    );
    fake.closeDispute(dispute.id, 'won');
    const [found] = (await stripe.disputes.list({ payment_intent: id })).data;
    expect(found).toMatchObject({ status: 'won' });
    expect(found?.balance_transactions.map((it) => it.amount)).toEqual([-900, 900]);
    expect(types().filter((it) => it.startsWith('charge.dispute'))).toEqual([
      ...['charge.dispute.created', 'charge.dispute.funds_withdrawn'],
      ...['charge.dispute.closed', 'charge.dispute.funds_reinstated'],
    ]);
  });

  it('may begin as an inquiry, which moves no money until it grows', async () => {
    const { id } = await paid('pm_card_createDisputeInquiry');
    const [inquiry] = (await stripe.disputes.list({ payment_intent: id })).data;
    expect(inquiry).toMatchObject({ status: 'warning_needs_response', balance_transactions: [] });
    expect(fake.escalateInquiry(inquiry!.id).status).toBe('needs_response');
    expect((await stripe.disputes.close(inquiry!.id)).status).toBe('lost');

    const other = fake.openDispute((await paid()).id, { isInquiry: true, amountCents: 400 });
    expect(fake.closeDispute(other.id, 'won')).toMatchObject({
      ...{ status: 'warning_closed', amount: 400 },
    });
  });
});

describe('an idempotency key', () => {
  it('brings the same answer for the same request, errors too, for a day', async () => {
    const once = { idempotencyKey: 'purchase-1' };
    const first = await stripe.paymentIntents.create(PACKAGE, once);
    const again = await stripe.paymentIntents.create(PACKAGE, once);
    expect(again.id).toBe(first.id);
    expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(again.lastResponse.headers['original-request']).toBe(first.lastResponse.requestId);
    expect(fake.account.events[0]?.request?.idempotency_key).toBe('purchase-1');

    const other = await failure(stripe.paymentIntents.create({ ...PACKAGE, amount: 901 }, once));
    expect(other).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 });
    expect((await failure(stripe.customers.create({}, once))).message).toContain('same endpoint');

    const saved = await saveCard('pm_card_chargeCustomerFail');
    const twice = { ...saved, idempotencyKey: 'declined' };
    const charge = () =>
      stripe.paymentIntents.create(
        {
          ...PACKAGE,
          customer: twice.customer,
          payment_method: twice.method,
          confirm: true,
          return_url: 'https://a.test',
        },
        { idempotencyKey: twice.idempotencyKey },
      );
    const [declined, same] = [await failure(charge()), await failure(charge())];
    expect(same.payment_intent?.id).toBe(declined.payment_intent?.id);

    aheadMs = 25 * HOUR_MS;
    expect((await stripe.paymentIntents.create(PACKAGE, once)).id).not.toBe(first.id);
  });

  it('is free again when the parameters were wrong, and in use while the first is answered', async () => {
    const once = { idempotencyKey: 'k' };
    const wrong = await failure(
      stripe.paymentIntents.create({ amount: 1.5, currency: 'usd' }, once),
    );
    expect(wrong).toMatchObject({ statusCode: 400, code: 'parameter_invalid_integer' });

    let goOn = () => {};
    const until = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    fake.faults.add({ path: '/v1/payment_intents', until });
    const first = stripe.paymentIntents.create(PACKAGE, once);
    await expect.poll(() => fake.asked.length).toBe(2);
    expect(await failure(stripe.paymentIntents.create(PACKAGE, once))).toMatchObject({
      ...{ statusCode: 409, code: 'idempotency_key_in_use' },
    });
    goOn();
    await first;
    expect(fake.account.intents.size).toBe(1);
  });

  it('finds the effect of an answer that was lost', async () => {
    fake.faults.add({ path: '/v1/payment_intents', cut: 'after' });
    const intent = await connect(fake.secretKey, 1).paymentIntents.create(PACKAGE);
    expect(fake.account.intents.size).toBe(1);
    expect(intent.id).toBe([...fake.account.intents.keys()][0]);
    expect(fake.asked.map((it) => it.isReplay)).toEqual([false, true]);
  });
});

describe('an error', () => {
  it('is told as Stripe tells it', async () => {
    expect(await failure(stripe.paymentIntents.retrieve('pi_none'))).toMatchObject({
      ...{ statusCode: 404, code: 'resource_missing' },
    });
    const nobody = { ...PACKAGE, customer: 'cus_none' };
    expect(await failure(stripe.paymentIntents.create(nobody))).toMatchObject({
      ...{ statusCode: 400, code: 'resource_missing', param: 'customer' },
    });
    const { id: customer } = await stripe.customers.create();
    await stripe.customers.del(customer);
    expect(await stripe.customers.retrieve(customer)).toMatchObject({ deleted: true });
    expect((await failure(stripe.paymentIntents.create({ ...PACKAGE, customer }))).param).toBe(
      'customer',
    );
    expect(await failure(connect('sk_test_wrong').customers.create())).toMatchObject({
      ...{ type: 'StripeAuthenticationError', statusCode: 401 },
    });
    expect((await failure(connect(fake.publishableKey).customers.create())).statusCode).toBe(401);
    const misspelled = { ...PACKAGE, metdata: {} } as Stripe.PaymentIntentCreateParams;
    const unknown = { ...misspelled, receiptemail: 'a@b.test' } as Stripe.PaymentIntentCreateParams;
    expect((await failure(stripe.paymentIntents.create(unknown))).code).toBe('parameter_unknown');
    const noWayBack = { ...PACKAGE, payment_method: 'pm_card_visa', confirm: true };
    expect((await failure(stripe.paymentIntents.create(noWayBack))).param).toBe('return_url');
  });

  it('can be injected: 429, 500, a delay, a cut', async () => {
    fake.faults.add({ error: { status: 429 } });
    expect((await failure(stripe.customers.create())).type).toBe('StripeRateLimitError');

    // Kept, so that trying again with the key brings it again.
    fake.faults.add({ error: { status: 500 } });
    const once = { idempotencyKey: 'broken' };
    for (const _ of [1, 2]) {
      expect((await failure(stripe.customers.create({}, once))).type).toBe('StripeAPIError');
    }
    expect(fake.account.customers.size).toBe(0);

    fake.faults.add({ error: { status: 503 } });
    await connect(fake.secretKey, 1).customers.create();

    fake.faults.add({ delayMs: HOUR_MS });
    const impatient = stripe.customers.create({}, { timeout: 20 });
    expect((await failure(impatient)).type).toBe('StripeConnectionError');

    // The library repeats a cut call once, whatever it is told of retries.
    fake.faults.add({ cut: 'before', times: 2 });
    expect((await failure(stripe.customers.create())).type).toBe('StripeConnectionError');
    expect(fake.account.customers.size).toBe(1);
  });
});

describe('webhooks', () => {
  let endpoint: TestEndpoint;
  beforeEach(async () => {
    endpoint = await startEndpoint(SECRET);
  });
  afterEach(() => endpoint.stop());

  it('come signed, in order, with both secrets while they rotate', async () => {
    const known = fake.webhooks.add({ url: endpoint.url, secrets: ['whsec_new', SECRET] });
    await paid();
    await fake.webhooks.settled();
    expect(types(endpoint.events)).toEqual(types());
    known.secrets = ['whsec_new'];
    await paid();
    await fake.webhooks.settled();
    expect(fake.webhooks.deliveries.slice(-3).map((it) => it.status)).toEqual([400, 400, 400]);
    expect(endpoint.events).toHaveLength(3);
  });

  it('can be held, sent in any order, again, and late', async () => {
    const wanted = ['payment_intent.*'];
    fake.webhooks.add({ url: endpoint.url, secrets: SECRET, types: wanted });
    fake.webhooks.hold();
    const { id } = await paid();
    const [created, , succeeded] = fake.webhooks.about(id);
    expect(fake.webhooks.held()).toHaveLength(3);
    await fake.webhooks.deliver(succeeded!);
    await fake.webhooks.deliver(created!);
    await fake.webhooks.deliver(succeeded!.id);
    const all = ['payment_intent.succeeded', 'payment_intent.created', 'payment_intent.succeeded'];
    expect(types(endpoint.events)).toEqual(all);
    const stale = { signedAtMs: Date.now() - HOUR_MS };
    expect((await fake.webhooks.deliver(created!, stale))[0]?.status).toBe(400);
    const forged = { secrets: ['whsec_other'] };
    expect((await fake.webhooks.deliver(created!, forged))[0]?.status).toBe(400);
    await fake.webhooks.release();
    expect(endpoint.events).toHaveLength(3);
  });

  it('that were refused come again when told to', async () => {
    fake.webhooks.add({ url: endpoint.url, secrets: SECRET });
    endpoint.status = 503;
    await stripe.customers.create();
    await fake.webhooks.settled();
    expect(endpoint.events).toEqual([]);
    endpoint.status = 200;
    await fake.webhooks.retryFailed();
    expect(types(endpoint.events)).toEqual(['customer.created']);
    expect(await fake.webhooks.retryFailed()).toEqual([]);
  });

  it('that were missed are found in the list of events', async () => {
    const { id } = await paid();
    const since = Math.floor(Date.now() / 1_000) - 60;
    const wanted = { types: ['payment_intent.succeeded'], created: { gte: since } };
    const [event] = (await stripe.events.list(wanted)).data;
    expect(event?.data.object).toMatchObject({ id, status: 'succeeded' });
    expect((await stripe.events.retrieve(event!.id)).type).toBe('payment_intent.succeeded');
    aheadMs = 31 * 24 * HOUR_MS;
    expect((await stripe.events.list({})).data).toEqual([]);
  });
});

it('makes the same ids from the same seed', async () => {
  const other = await startFakeStripe({ seed: 7 });
  const make = (it: FakeStripe) => it.account.newId('x');
  expect(make(other)).toBe(make(fake));
  await other.stop();
});
