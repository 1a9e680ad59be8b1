/** Asking over HTTP for minutes while a payment confirms. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HOLD_TIME_MS } from '../../../payments/lend.ts';
import { MAY, startTestHttp, type TestHttp } from '../test-http.ts';

const PURCHASES = '/v1/orgs/acme/extra-minutes/purchases';

let http: TestHttp;
let buyer: string;
beforeAll(async () => {
  http = await startTestHttp();
  const plan = { name: 'Basic', minutes: 60, paymentHoldSeconds: 90 };
  await http.call('PUT', '/v1/plans/basic', plan);
  await http.call('PUT', '/v1/plans/strict', { ...plan, paymentHoldSeconds: 0 });
  await http.call('PUT', '/v1/orgs/acme', { name: 'Acme', plan: 'basic' });
  await http.call('PUT', '/v1/orgs/other', { name: 'Other', plan: 'strict' });
  const scopes = ['record', 'read', 'buy'] as const;
  buyer = (await http.deps.tickets.mint({ org: 'acme', user: 'ann', scopes })).ticket;
});
afterAll(() => http?.stop());

const buy = async (body: object = {}, path = PURCHASES) =>
  (await http.call('POST', path, { package: 'minutes-60', ...body })).body.purchase as string;
const hold = (purchase: string, more = {}, path = PURCHASES) =>
  http.call('POST', `${path}/${purchase}/hold`, undefined, more);

it('answers the purchase with its loan, which a running session has at once, and one only', async () => {
  await http.record('acme', 'ann', 's1');
  const purchase = await buy({ user: 'ann' });
  const held = await hold(purchase, { as: buyer });
  expect(held.status).toBe(200);
  const until = new Date(http.now() + HOLD_TIME_MS).toISOString();
  expect(held.body).toMatchObject({
    ...{ purchase, status: 'open', paidAt: null, hold: { ms: 90_000, until, endedAt: null } },
    lot: { usedMs: 0, reversedMs: 3_600_000 - 90_000, debtMs: 0, expiresAt: null },
  });
  const reply = await http.meter.readBudgets('acme', [`o|acme|${MAY}`]);
  expect(reply).toMatchObject({ status: 'ok', budgets: [{ extraRemainingMs: 90_000 }] });
  expect((await hold(purchase)).body).toEqual(held.body);
  const other = await hold(await buy());
  expect([other.status, other.body.code]).toEqual([409, 'holdRefused']);
  expect(other.body.detail).toMatch(/^Another payment .+ has minutes lent/);
});

it('is said to be of use, or of none, as a purchase is begun', async () => {
  const theirs = '/v1/orgs/other/extra-minutes/purchases';
  const said = async (path: string) =>
    (await http.call('POST', path, { package: 'minutes-60' })).body.holdMs;
  expect(await said(PURCHASES)).toBe(90_000);
  expect(await said(theirs)).toBe(0);
});

it('refuses where the plan lends nothing, whom it is not for, and what is not there', async () => {
  const theirs = '/v1/orgs/other/extra-minutes/purchases';
  const off = await hold(await buy({}, theirs), {}, theirs);
  expect([off.status, off.body.code]).toEqual([409, 'holdRefused']);
  expect(off.body.detail).toMatch(/^The plan lends no minutes/);
  expect((await hold(await buy({ user: 'bob' }), { as: buyer })).status).toBe(403);
  const none = await hold('nothing');
  expect([none.status, none.body.code]).toEqual([404, 'purchaseUnknown']);
});
