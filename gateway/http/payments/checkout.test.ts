/** Buying on Stripe's own page, for apps that want no part of it in theirs. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FakeStripe } from '../../../payments/testing/fake-stripe.ts';
import type { TestHttp } from '../test-http.ts';
import { SECRET, WEBHOOK } from './test-events.ts';
import { startTestShop, type TestShop } from './test-shop.ts';

const PURCHASES = '/v1/orgs/acme/extra-minutes/purchases';
const CHECKOUT = {
  ...{ package: 'minutes-60', method: 'checkout' },
  successUrl: 'https://app.example/paid?session={CHECKOUT_SESSION_ID}',
  cancelUrl: 'https://app.example/',
};

let shop: TestShop;
let fake: FakeStripe;
let http: TestHttp;

beforeAll(async () => {
  shop = await startTestShop('acme');
  ({ http, fake } = shop);
});
afterAll(() => shop?.stop());

const shown = async (purchase: string) => (await http.call('GET', `${PURCHASES}/${purchase}`)).body;
const sessionOf = (purchase: string) =>
  [...fake.account.sessions.values()].find((it) => it.client_reference_id === purchase)!;

async function deliverAll(): Promise<void> {
  for (const event of fake.account.events) {
    const { body, headers } = fake.webhooks.sign(event, [SECRET], http.now());
    const { status } = await http.call('POST', WEBHOOK, body, { as: null, headers });
    expect([event.type, status]).toEqual([event.type, 200]);
  }
}

it('goes to Stripe’s page and comes back paid', async () => {
  const options = { headers: { 'idempotency-key': 'a-click' } };
  const begun = await http.call('POST', PURCHASES, CHECKOUT, options);
  expect(begun.status).toBe(201);
  const { purchase, checkoutUrl, clientSecret } = begun.body;
  const session = sessionOf(purchase);
  expect([checkoutUrl, clientSecret]).toEqual([session.url, null]);
  expect(session).toMatchObject({ mode: 'payment', amount_total: 999, currency: 'usd' });
  const again = await http.call('POST', PURCHASES, CHECKOUT, options);
  expect(again.body).toEqual(begun.body);
  fake.payCheckout(session.id);
  await deliverAll();
  expect(await shown(purchase)).toMatchObject({ status: 'paid', lot: { usedMs: 0 } });
  const intent = sessionOf(purchase).payment_intent as string;
  await http.deps.payments!.stripe.refunds.create({ payment_intent: intent });
  await deliverAll();
  expect(await shown(purchase)).toMatchObject({ refundedCents: 999 });
});

it('is canceled there, and then can’t be paid', async () => {
  const { body } = await http.call('POST', PURCHASES, CHECKOUT);
  const canceled = await http.call('POST', `${PURCHASES}/${body.purchase}/cancel`);
  expect([canceled.status, canceled.body.status]).toEqual([200, 'canceled']);
  expect(sessionOf(body.purchase).status).toBe('expired');
  await deliverAll();
  expect((await shown(body.purchase)).status).toBe('canceled');
});

it('that is paid is not canceled any more, and is paid before its event came', async () => {
  const { body } = await http.call('POST', PURCHASES, CHECKOUT);
  fake.payCheckout(sessionOf(body.purchase).id);
  const late = await http.call('POST', `${PURCHASES}/${body.purchase}/cancel`);
  expect([late.status, late.body.code]).toEqual([409, 'purchaseEnded']);
  expect((await shown(body.purchase)).status).toBe('paid');
});

it('needs somewhere to come back to', async () => {
  for (const more of [{ successUrl: undefined }, { cancelUrl: 'javascript:alert(1)' }]) {
    const { status, body } = await http.call('POST', PURCHASES, { ...CHECKOUT, ...more });
    expect([status, body.code]).toEqual([422, 'invalid']);
  }
});
