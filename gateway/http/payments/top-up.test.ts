import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stripeCustomers } from '../../../drizzle/schema/payments.ts';
import { topUps } from '../../../drizzle/schema/top-ups.ts';
import { takeEvent } from '../../../payments/take-event.ts';
import type { FakeStripe } from '../../../payments/testing/fake-stripe.ts';
import { START, type TestHttp } from '../test-http.ts';
import { startTestShop, type TestShop } from './test-shop.ts';

const PATH = '/v1/orgs/acme/extra-minutes/top-up';
const WANTED = { enabled: true, package: 'minutes-60', monthlyCapCents: 5_000 };

let shop: TestShop;
let http: TestHttp;
let fake: FakeStripe;
beforeAll(async () => {
  shop = await startTestShop('acme');
  ({ http, fake } = shop);
});
afterAll(() => shop?.stop());

const hear = (event: (typeof fake.account.events)[number]) =>
  http.db.transaction((tx) => takeEvent(tx, event, START));
const said = (type: string) => fake.account.events.filter((it) => it.type === type);

describe('automatic top-up', () => {
  it('is off until it is turned on, and takes its defaults', async () => {
    expect((await http.call('GET', PATH)).body).toMatchObject({ enabled: false, package: null });
    const put = await http.call('PUT', PATH, WANTED);
    expect(put).toMatchObject({
      status: 200,
      body: {
        ...{ ...WANTED, currency: 'usd', saved: null },
        ...{ whenRemainingMinutes: 10, coolOffSeconds: 600 },
        state: { thisMonthCents: 0, failures: 0, lastAt: null, message: null },
      },
    });
    expect((await http.call('GET', PATH)).body).toEqual(put.body);
  });

  it('that was turned off by failures begins anew when a person turns it on', async () => {
    await http.db.update(topUps).set({ enabled: false, failures: 3, trouble: 'expired_card' });
    const before = await http.call('GET', PATH);
    expect(before.body.state.message).toMatch(/has expired.*turn it on again/);
    const put = await http.call('PUT', PATH, WANTED);
    expect(put.body).toMatchObject({ enabled: true, state: { failures: 0, message: null } });
  });

  it('refuses a package that is not on sale, and a cap or a threshold of nothing', async () => {
    const unknown = await http.call('PUT', PATH, { ...WANTED, package: 'minutes-7' });
    expect(unknown).toMatchObject({ status: 404, body: { code: 'packageUnknown' } });
    expect((await http.call('PUT', PATH, { ...WANTED, monthlyCapCents: 0 })).status).toBe(422);
    const nothing = { ...WANTED, whenRemainingMinutes: 5e-324 };
    expect((await http.call('PUT', PATH, nothing)).status).toBe(422);
    const without = await http.with({ payments: null })('POST', `${PATH}/setup`);
    expect(without.body.code).toBe('paymentsNotConfigured');
  });

  it('saves a card in the browser, and hears of it in every order of events', async () => {
    await http.db.update(topUps).set({ trouble: 'noPaymentMethod', pausedUntil: START + 1 });
    const { status, body } = await http.call('POST', `${PATH}/setup`);
    expect([status, body.publishableKey]).toEqual([200, fake.publishableKey]);
    const once = { headers: { 'idempotency-key': 'save-1' } };
    const setup = async () => (await http.call('POST', `${PATH}/setup`, undefined, once)).body;
    const first = await setup();
    expect([await setup(), first.clientSecret === body.clientSecret]).toEqual([first, false]);
    const id = body.clientSecret.split('_secret')[0];
    await fake.stripe.setupIntents.confirm(id, { payment_method: 'pm_card_visa' });
    for (const event of said('payment_method.attached')) await hear(event);
    const [saved] = said('setup_intent.succeeded');
    expect(await hear(saved!)).toMatchObject({ effect: 'applied', org: 'acme' });
    expect((await http.call('GET', PATH)).body).toMatchObject({
      ...{ saved: 'visa 4242', state: { message: null, pausedUntil: null } },
    });
    const [row] = await http.db
      .select()
      .from(stripeCustomers)
      .where(eq(stripeCustomers.org, 'acme'));
    await fake.stripe.paymentMethods.detach(row!.paymentMethod!);
    const [gone] = said('payment_method.detached');
    await hear(gone!);
    expect((await http.call('GET', PATH)).body.saved).toBeNull();
    // The saving is heard again, under another id and later: it does not bring the card back.
    await hear({ ...saved!, id: 'evt_late' });
    expect((await http.call('GET', PATH)).body.saved).toBeNull();
  });
});
