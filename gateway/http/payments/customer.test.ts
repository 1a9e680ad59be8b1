import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditLog } from '../../../drizzle/schema/operations.ts';
import { stripeCustomers } from '../../../drizzle/schema/payments.ts';
import type { FakeStripe } from '../../../payments/testing/fake-stripe.ts';
import type { TestHttp } from '../test-http.ts';
import { startTestShop, type TestShop } from './test-shop.ts';

const pathOf = (org: string) => `/v1/orgs/${org}/extra-minutes/customer`;

let shop: TestShop;
let http: TestHttp;
let fake: FakeStripe;
beforeAll(async () => {
  shop = await startTestShop('acme', 'globex');
  ({ http, fake } = shop);
});
afterAll(() => shop?.stop());

const made = async (more: object = {}) => (await fake.stripe.customers.create(more)).id;
const give = (org: string, customer: string, more: object = {}) =>
  http.call('PUT', pathOf(org), { customer }, more);
const rowOf = async (org: string) =>
  (await http.db.select().from(stripeCustomers).where(eq(stripeCustomers.org, org)))[0];

describe('a customer that is at Stripe already', () => {
  it('is given to an organization, which pays by it from then on', async () => {
    const none = { customer: null, livemode: null };
    expect((await http.call('GET', pathOf('acme'))).body).toEqual(none);
    const customer = await made();
    const once = { headers: { 'idempotency-key': 'give-1' } };
    const given = { status: 200, body: { customer, livemode: false } };
    expect(await give('acme', customer, once)).toMatchObject(given);
    expect(await give('acme', customer, once)).toMatchObject(given);
    expect((await http.call('GET', pathOf('acme'))).body).toEqual(given.body);
    await http.call('POST', '/v1/orgs/acme/extra-minutes/purchases', { package: 'minutes-60' });
    const intents = [...fake.account.intents.values()];
    expect(intents.map((it) => it.customer)).toEqual([customer]);
    const audits = await http.db.select().from(auditLog).where(eq(auditLog.action, 'customer.put'));
    expect(audits).toMatchObject([{ org: 'acme', detail: { customer, before: null } }]);
  });

  it('brings no card of another one along, and keeps its own when it is given again', async () => {
    const [first, second] = [await made(), await made({ metadata: { org: 'acme' } })];
    await give('acme', first);
    const card = { paymentMethod: 'pm_1', paymentMethodLabel: 'visa 4242' };
    await http.db.update(stripeCustomers).set(card).where(eq(stripeCustomers.org, 'acme'));
    await give('acme', first);
    expect(await rowOf('acme')).toMatchObject({ customer: first, ...card });
    await give('acme', second);
    const bare = { paymentMethod: null, paymentMethodLabel: null };
    expect(await rowOf('acme')).toMatchObject({ customer: second, ...bare });
  });

  it('is refused where Stripe has none, has deleted it, has it in the other mode or for another one', async () => {
    const [gone, live, others] = [
      await made(),
      await made(),
      await made({ metadata: { org: 'x' } }),
    ];
    await fake.stripe.customers.del(gone);
    fake.account.customers.get(live)!.livemode = true;
    const taken = await made();
    await give('globex', taken);
    const before = await rowOf('acme');
    for (const [customer, words] of [
      ['cus_nobody', /no customer "cus_nobody".*test mode/],
      [gone, /deleted/],
      [live, /not of test mode/],
      [others, /organization "x"/],
      [taken, /organization "globex"'s already/],
    ] as const) {
      const { status, body } = await give('acme', customer);
      expect([status, body.code, body.errors[0].pointer]).toEqual([
        ...[422, 'customerNotAccepted', '/customer'],
      ]);
      expect(body.detail).toMatch(words);
    }
    expect(await rowOf('acme')).toEqual(before);
  });

  it('is given by a key of the installation only, and while Stripe can be asked', async () => {
    const customer = await made();
    const as = await http.makeKey(['acme']);
    expect((await give('acme', customer, { as })).body.code).toBe('notAllowed');
    expect((await http.call('GET', pathOf('acme'), undefined, { as })).status).toBe(200);
    expect((await give('nobody', customer)).body.code).toBe('organizationUnknown');
    expect((await give('acme', 'ann')).body.code).toBe('invalid');
    const without = http.with({ payments: null });
    const nowhere = await without('PUT', pathOf('acme'), { customer });
    expect(nowhere.body.code).toBe('paymentsNotConfigured');
    fake.faults.add({ path: `/v1/customers/${customer}`, error: { status: 401 }, times: 9 });
    expect((await give('acme', customer)).body.code).toBe('paymentsNotConfigured');
    fake.faults.clear();
    expect((await rowOf('acme'))?.customer).not.toBe(customer);
  });
});
