/** The fake's hosted checkout, saved cards, meters and invoices, driven by Stripe's own library. */
import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeStripe, startFakeStripe } from './fake-stripe.ts';

const DAY_MS = 86_400_000;
const SESSION = {
  mode: 'payment',
  line_items: [
    {
      quantity: 1,
      price_data: { currency: 'usd', unit_amount: 900, product_data: { name: '60' } },
    },
  ],
  success_url: 'http://127.0.0.1/done?session={CHECKOUT_SESSION_ID}',
  cancel_url: 'http://127.0.0.1/back',
  payment_intent_data: { metadata: { purchase: 'p1' } },
} satisfies Stripe.Checkout.SessionCreateParams;

let fake: FakeStripe;
let stripe: Stripe;
let aheadMs = 0;

beforeEach(async () => {
  aheadMs = 0;
  fake = await startFakeStripe({ seed: 11, now: () => Date.now() + aheadMs });
  stripe = new Stripe(fake.secretKey, {
    ...{ host: fake.host, port: fake.port, protocol: 'http', maxNetworkRetries: 0 },
  });
});
afterEach(() => fake.stop());

const types = (start = '') =>
  fake.account.events.map((it) => it.type as string).filter((it) => it.startsWith(start));
const refusal = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: Stripe.errors.StripeError) => error,
  );

describe('a checkout session', () => {
  const press = (url: string, fields: Record<string, string>) =>
    fetch(url, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });

  it('is paid on its page, and makes its payment only then', async () => {
    const { id, url, payment_intent } = await stripe.checkout.sessions.create(SESSION);
    expect(payment_intent).toBeNull();
    expect(await (await fetch(url!)).text()).toContain('Pay 9.00 USD');
    const declined = await press(url!, { number: '4000 0000 0000 0002' });
    expect(declined.status).toBe(402);
    expect(await declined.text()).toContain('Your card was declined.');
    const paid = await press(url!, { number: '4242 4242 4242 4242' });
    expect(paid.status).toBe(303);
    expect(paid.headers.get('location')).toBe(`http://127.0.0.1/done?session=${id}`);
    const session = await stripe.checkout.sessions.retrieve(id, { expand: ['payment_intent'] });
    expect(session).toMatchObject({
      ...{ status: 'complete', payment_status: 'paid', amount_total: 900, url: null },
      payment_intent: { status: 'succeeded', amount: 900, metadata: { purchase: 'p1' } },
    });
    expect(types().slice(-3)).toEqual([
      ...['charge.succeeded', 'payment_intent.succeeded', 'checkout.session.completed'],
    ]);
  });

  it('asks the bank in the page when the card wants it', async () => {
    const { id, url } = await stripe.checkout.sessions.create(SESSION);
    const asked = await press(url!, { number: '4000002760003184' });
    expect(await asked.text()).toContain('Complete authentication');
    expect((await press(url!, { authentication: 'passed' })).status).toBe(303);
    expect((await stripe.checkout.sessions.retrieve(id)).payment_status).toBe('paid');
  });

  it('is complete and unpaid while its payment is processing', async () => {
    fake.holdConfirmations(true);
    const [good, bad] = [
      await stripe.checkout.sessions.create(SESSION),
      await stripe.checkout.sessions.create(SESSION),
    ];
    const pay = (id: string) => fake.payCheckout(id).payment_intent as string;
    const intents = [pay(good.id), pay(bad.id)] as const;
    expect(await stripe.checkout.sessions.retrieve(good.id)).toMatchObject({
      ...{ status: 'complete', payment_status: 'unpaid' },
    });
    fake.settle(intents[0], 'succeeded');
    fake.settle(intents[1], 'failed');
    expect(types('checkout')).toEqual([
      ...['checkout.session.completed', 'checkout.session.completed'],
      ...['checkout.session.async_payment_succeeded', 'checkout.session.async_payment_failed'],
    ]);
    const [found] = (await stripe.checkout.sessions.list({ payment_intent: intents[0] })).data;
    expect(found).toMatchObject({ id: good.id, payment_status: 'paid' });
  });

  it('expires by itself and when told', async () => {
    const [late, ended] = [
      await stripe.checkout.sessions.create(SESSION),
      await stripe.checkout.sessions.create(SESSION),
    ];
    expect((await stripe.checkout.sessions.expire(ended.id)).status).toBe('expired');
    expect((await refusal(stripe.checkout.sessions.expire(ended.id)))?.statusCode).toBe(400);
    aheadMs = DAY_MS + 1_000;
    expect((await fetch(late.url!)).status).toBe(410);
    expect(types('checkout')).toEqual(['checkout.session.expired', 'checkout.session.expired']);
  });
});

describe('a setup intent', () => {
  it('saves a card to be charged while nobody is there', async () => {
    const { id: customer } = await stripe.customers.create();
    const made = await stripe.setupIntents.create({ customer, usage: 'off_session' });
    const method = 'pm_card_authenticationRequiredOnSetup';
    const return_url = 'http://127.0.0.1/done';
    const asked = await stripe.setupIntents.confirm(made.id, {
      payment_method: method,
      return_url,
    });
    expect(asked.status).toBe('requires_action');
    fake.authenticate(made.id, 'passed');
    const { status, payment_method } = await stripe.setupIntents.retrieve(made.id);
    expect(status).toBe('succeeded');
    const charged = await stripe.paymentIntents.create({
      ...{ amount: 900, currency: 'usd', customer, payment_method: payment_method as string },
      ...{ off_session: true, confirm: true, payment_method_types: ['card'] },
    });
    expect(charged.status).toBe('succeeded');
    expect(types().slice(0, 5)).toEqual([
      ...['customer.created', 'setup_intent.created', 'setup_intent.requires_action'],
      ...['payment_method.attached', 'setup_intent.succeeded'],
    ]);
    const detached = await stripe.paymentMethods.detach(payment_method as string);
    expect(detached.customer).toBeNull();
  });
});

describe('a meter event', () => {
  const report = (customer: string, more: Partial<Stripe.Billing.MeterEventCreateParams> = {}) =>
    stripe.billing.meterEvents.create({
      event_name: 'overage_minutes',
      payload: { stripe_customer_id: customer, value: '7' },
      ...more,
    });

  it('counts once in a day by its identifier', async () => {
    fake.createMeter({ eventName: 'overage_minutes' });
    const { id } = await stripe.customers.create();
    const event = await report(id, { identifier: 'org-1:2026-11' });
    expect(event).toMatchObject({ object: 'billing.meter_event', identifier: 'org-1:2026-11' });
    const error = await refusal(report(id, { identifier: 'org-1:2026-11' }));
    expect(error).toMatchObject({
      ...{ type: 'StripeInvalidRequestError', statusCode: 400, code: undefined },
      message: 'An event already exists with identifier org-1:2026-11.',
    });
    expect(fake.metered('overage_minutes', id)).toBe(7);
    aheadMs = DAY_MS + 1_000;
    await report(id, { identifier: 'org-1:2026-11' });
    expect(fake.metered('overage_minutes', id)).toBe(14);
  });

  it('is of the last 35 days, or the next five minutes', async () => {
    const { id } = await stripe.customers.create();
    const at = (ms: number) => ({ timestamp: Math.floor((Date.now() + ms) / 1_000) });
    const old = await refusal(report(id, at(-35 * DAY_MS - 5_000)));
    expect(old?.message).toContain('cannot be more than 35 days in past');
    expect((await refusal(report(id, at(310_000))))?.statusCode).toBe(400);
    expect(await refusal(report(id, at(-35 * DAY_MS + 60_000)))).toBeNull();
    expect(await refusal(report(id, at(240_000)))).toBeNull();
  });

  it('is taken without a meter, and does not count', async () => {
    const { id } = await stripe.customers.create();
    await report(id);
    fake.createMeter({ eventName: 'overage_minutes' });
    await report('cus_none');
    expect(fake.account.usage.map((it) => it.problem)).toEqual([
      ...['no_meter', 'meter_event_customer_not_found'],
    ]);
    expect(fake.metered('overage_minutes', id)).toBe(0);
    const meters = await stripe.billing.meters.list({ status: 'active' });
    expect(meters.data.map((it) => it.event_name)).toEqual(['overage_minutes']);
  });

  it('can be taken back for a day', async () => {
    fake.createMeter({ eventName: 'overage_minutes' });
    const { id } = await stripe.customers.create();
    const takeBack = (identifier: string) =>
      stripe.billing.meterEventAdjustments.create({
        ...{ event_name: 'overage_minutes', type: 'cancel', cancel: { identifier } },
      });
    await report(id, { identifier: 'a' });
    await report(id, { identifier: 'b' });
    expect((await takeBack('a')).status).toBe('pending');
    expect(fake.metered('overage_minutes', id)).toBe(7);
    expect((await refusal(takeBack('c')))?.code).toBe('resource_missing');
    aheadMs = DAY_MS + 5_000;
    expect((await refusal(takeBack('b')))?.message).toContain('24 hours');
  });
});

it('tells of invoices that failed and were paid', async () => {
  const { id: customer } = await stripe.customers.create();
  const invoice = fake.tellOfInvoice('payment_failed', { customer });
  fake.tellOfInvoice('paid', { customer, invoice });
  const { data } = await stripe.events.list({ types: ['invoice.paid', 'invoice.payment_failed'] });
  expect(data.map((it) => it.type)).toEqual(['invoice.paid', 'invoice.payment_failed']);
  expect(data[0]!.data.object).toMatchObject({ id: invoice, customer, status: 'paid' });
});
