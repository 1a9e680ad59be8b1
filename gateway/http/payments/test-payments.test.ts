/** Buying where no key of Stripe is set: in development by test payments, in production not at all. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestHttp, type TestHttp } from '../test-http.ts';

const PURCHASES = '/v1/orgs/acme/extra-minutes/purchases';
const HOUR_MS = 3_600_000;

let http: TestHttp;
let buyer: string;

beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
  await http.call('PUT', '/v1/orgs/acme', { name: 'Acme', plan: 'basic' });
  const scopes = ['record', 'read', 'buy'] as const;
  buyer = (await http.deps.tickets.mint({ org: 'acme', user: 'ann', scopes })).ticket;
});
afterAll(() => http?.stop());

const buy = async (body: object = {}) =>
  (await http.call('POST', PURCHASES, { package: 'minutes-60', ...body })).body;
const pay = (purchase: string, outcome: string, more = {}) =>
  http.call('POST', `${PURCHASES}/${purchase}/test-payment`, { outcome }, more);
const remainingMs = async () =>
  (await http.call('GET', '/v1/orgs/acme/extra-minutes')).body.remainingMs as number;

describe('in development without keys', () => {
  it('says that payments are tests', async () => {
    const { body } = await http.call('GET', '/v1/extra-minutes/packages');
    expect(body.payments).toEqual({
      ...{ provider: 'test', livemode: false, publishableKey: null, scriptUrl: null },
    });
  });

  it('a test payment gives its minutes once', async () => {
    const before = await remainingMs();
    const begun = await buy();
    expect(begun).toMatchObject({
      ...{ status: 'open', method: 'test', livemode: false, amountCents: 999, currency: 'usd' },
      ...{ grantedMs: HOUR_MS, paidAt: null, lot: null, clientSecret: null, checkoutUrl: null },
    });
    expect(await remainingMs()).toBe(before);
    const headers = { 'idempotency-key': `pay-${begun.purchase}` };
    const paid = await pay(begun.purchase, 'paid', { headers });
    expect(paid.status).toBe(200);
    expect(paid.body).toMatchObject({
      ...{ status: 'paid', method: 'test', paidAt: expect.any(String) },
      lot: { usedMs: 0, reversedMs: 0, debtMs: 0, expiresAt: null },
    });
    expect((await pay(begun.purchase, 'paid', { headers })).body).toEqual(paid.body);
    await pay(begun.purchase, 'paid');
    expect(await remainingMs()).toBe(before + HOUR_MS);
    const failed = await pay(begun.purchase, 'failed');
    expect([failed.status, failed.body.code]).toEqual([409, 'purchaseEnded']);
  });

  it('one that fails says why, and may be tried again', async () => {
    const { purchase } = await buy();
    const failed = await pay(purchase, 'failed');
    expect(failed.body).toMatchObject({ status: 'failed', failure: { code: 'testDeclined' } });
    await http.advance(2_000);
    expect((await pay(purchase, 'processing')).body).toMatchObject({
      ...{ status: 'processing', failure: null },
    });
    await http.advance(2_000);
    expect((await pay(purchase, 'paid')).body.status).toBe('paid');
  });

  it('one that is canceled is not paid, and one that is paid is not canceled', async () => {
    const { purchase } = await buy();
    const canceled = await http.call('POST', `${PURCHASES}/${purchase}/cancel`);
    expect([canceled.status, canceled.body.status]).toEqual([200, 'canceled']);
    expect((await http.call('POST', `${PURCHASES}/${purchase}/cancel`)).status).toBe(200);
    expect((await pay(purchase, 'failed')).body.code).toBe('purchaseEnded');
    const other = await buy();
    await pay(other.purchase, 'paid');
    const late = await http.call('POST', `${PURCHASES}/${other.purchase}/cancel`);
    expect([late.status, late.body.code]).toEqual([409, 'purchaseEnded']);
  });

  it('no other method is there', async () => {
    const answer = await http.call('POST', PURCHASES, {
      ...{ package: 'minutes-60', method: 'paymentIntent' },
    });
    expect([answer.status, answer.body.code]).toEqual([409, 'paymentsNotConfigured']);
    expect(answer.body.detail).toContain('STRIPE_SECRET_KEY');
  });
});

describe('in production without keys', () => {
  it('nothing is sold, and it says what to set', async () => {
    const { purchase } = await buy();
    const key = await http.makeKey(null);
    const call = http.with({ development: false });
    const { body } = await call('GET', '/v1/extra-minutes/packages', undefined, { as: key });
    expect(body.payments.provider).toBeNull();
    for (const [path, sent] of [
      [PURCHASES, { package: 'minutes-60' }],
      [PURCHASES, { package: 'minutes-60', method: 'test' }],
      [`${PURCHASES}/${purchase}/test-payment`, { outcome: 'paid' }],
      ['/v1/webhooks/stripe', {}],
    ] as const) {
      const answer = await call('POST', path, sent, { as: key });
      expect([path, answer.status]).toEqual([path, 409]);
      expect(answer.body).toMatchObject({ code: 'paymentsNotConfigured' });
      expect(answer.body.detail).toContain('STRIPE_SECRET_KEY');
    }
  });
});

describe('a member', () => {
  it('with a ticket that may buy buys for itself, and sees what was bought', async () => {
    const as = buyer;
    await http.advance(1);
    const begun = await http.call('POST', PURCHASES, { package: 'minutes-60' }, { as });
    expect(begun.body).toMatchObject({ user: 'ann', status: 'open' });
    expect((await pay(begun.body.purchase, 'paid', { as })).body.status).toBe('paid');
    const { body } = await http.call('GET', PURCHASES, undefined, { as });
    expect(body.items[0]).toMatchObject({ purchase: begun.body.purchase, user: 'ann' });
    for (const item of body.items) expect(item).not.toHaveProperty('clientSecret');
    const forBob = { package: 'minutes-60', user: 'bob' };
    expect((await http.call('POST', PURCHASES, forBob, { as })).status).toBe(403);
  });

  it('can’t end or pay what somebody else began', async () => {
    const { purchase } = await buy({ user: 'bob' });
    const as = buyer;
    expect((await pay(purchase, 'paid', { as })).status).toBe(403);
    expect((await http.call('POST', `${PURCHASES}/${purchase}/cancel`, {}, { as })).status).toBe(
      403,
    );
  });

  it('without that scope is told so', async () => {
    const as = await http.ticket('acme', 'ann');
    for (const [method, path, body] of [
      ['POST', PURCHASES, { package: 'minutes-60' }],
      ['GET', PURCHASES, undefined],
    ] as const) {
      const answer = await http.call(method, path, body, { as });
      expect(answer.status).toBe(403);
      expect(answer.body.detail).toContain('scope "buy"');
    }
  });
});

describe('packages', () => {
  const PACKAGE = '/v1/extra-minutes/packages/minutes-30';
  const body = {
    ...{ name: '30 minutes', grantedMs: HOUR_MS / 2, priceCents: 500, currency: 'usd' },
    ...{ prices: [{ currency: 'eur', priceCents: 450 }], expiresAfterDays: 90 },
  };

  it('are made and replaced, with prices in several currencies', async () => {
    const made = await http.call('PUT', PACKAGE, body);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      ...{ package: 'minutes-30', active: true, expiresAfterDays: 90 },
      prices: [
        { currency: 'usd', priceCents: 500 },
        { currency: 'eur', priceCents: 450 },
      ],
    });
    const again = await http.call('PUT', PACKAGE, made.body);
    expect([again.status, again.body]).toEqual([200, made.body]);
    const { body: page } = await http.call('GET', '/v1/extra-minutes/packages?currency=eur');
    expect(page.items).toEqual([{ ...made.body, currency: 'eur', priceCents: 450 }]);
    const cheaper = { ...body, prices: [{ currency: 'gbp', priceCents: 400 }] };
    const replaced = await http.call('PUT', PACKAGE, cheaper);
    expect(replaced.body.prices.map((it: { currency: string }) => it.currency)).toEqual([
      ...['usd', 'gbp'],
    ]);
    await http.call('PUT', PACKAGE, body);
  });

  it('cost no parts that Stripe refuses, in whichever currency', async () => {
    const wrong = {
      ...{ ...body, priceCents: 12_345, currency: 'kwd' },
      prices: [
        { currency: 'jpy', priceCents: 1_499 },
        { currency: 'isk', priceCents: 1_050 },
      ],
    };
    const { status, body: answer } = await http.call('PUT', PACKAGE, wrong);
    expect([status, answer.errors]).toEqual([
      422,
      [
        { pointer: '/priceCents', detail: 'must be a multiple of 10 in kwd, not 12345' },
        { pointer: '/prices/1/priceCents', detail: 'must be a multiple of 100 in isk, not 1050' },
      ],
    ]);
  });

  it('are bought in one of their currencies, and what was bought keeps its terms', async () => {
    const begun = await buy({ package: 'minutes-30', currency: 'eur' });
    expect(begun).toMatchObject({ amountCents: 450, currency: 'eur' });
    await http.call('PUT', PACKAGE, { ...body, priceCents: 700, grantedMs: 1_000, prices: [] });
    const { lot, grantedMs } = (await pay(begun.purchase, 'paid')).body;
    expect([grantedMs, Date.parse(lot.expiresAt)]).toEqual([
      HOUR_MS / 2,
      http.now() + 90 * 24 * HOUR_MS,
    ]);
    const none = await http.call('POST', PURCHASES, { package: 'minutes-30', currency: 'eur' });
    expect([none.status, none.body.code]).toEqual([422, 'invalid']);
    expect(none.body.detail).toContain('take one of usd');
  });

  it('that are not on sale are not there', async () => {
    await http.call('PUT', PACKAGE, { ...body, active: false });
    const names = async (query: string) =>
      (await http.call('GET', `/v1/extra-minutes/packages${query}`)).body.items.map(
        (it: { package: string }) => it.package,
      );
    expect(await names('')).not.toContain('minutes-30');
    expect(await names('?all=true')).toContain('minutes-30');
    const answer = await http.call('POST', PURCHASES, { package: 'minutes-30' });
    expect([answer.status, answer.body.code]).toEqual([404, 'packageUnknown']);
  });

  it('are set up by a key of the whole installation alone', async () => {
    const as = await http.makeKey(['acme']);
    expect((await http.call('PUT', PACKAGE, body, { as })).status).toBe(403);
    expect((await http.call('PUT', PACKAGE, body, { as: buyer })).status).toBe(403);
  });
});
