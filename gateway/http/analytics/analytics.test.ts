import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paymentDisputes, paymentRefunds, payments } from '../../../drizzle/schema/payments.ts';
import { usageAlerts } from '../../../drizzle/schema/usage.ts';
import { makeTestAccount } from '../../../local/test-account.ts';
import { START, startTestHttp, type TestHttp } from '../test-http.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
});
afterAll(() => http.stop());

let made = 0;
/** A payment of the 60-minute package, confirmed so long ago. */
async function pay(org: string, agoMs: number, more: Partial<typeof payments.$inferInsert> = {}) {
  const id = `pay-${++made}`;
  const at = START - agoMs;
  await http.db.insert(payments).values({
    ...{ id, org, kind: 'purchase', method: 'paymentIntent', package: 'minutes-60' },
    ...{ grantedMs: HOUR, amountCents: 999, currency: 'usd', livemode: false },
    ...{ startedAt: at, status: 'paid', paidAt: at },
    ...more,
  });
  return id;
}
const cross = (org: string, level: number, agoMs: number) =>
  http.db.insert(usageAlerts).values({
    ...{ org, budget: `o|${org}`, level, version: 1, scope: 'organization' },
    crossedAt: START - agoMs,
  });

describe('analytics of extra minutes', () => {
  it('say who was warned, who reached the limit, and who bought after it', async () => {
    const [warned, buyer, early, stopped] = await Promise.all(
      Array.from({ length: 4 }, async () => (await makeTestAccount(http.db)).org),
    );
    await cross(warned!, 80, DAY);
    await cross(buyer!, 80, 2 * DAY);
    await cross(buyer!, 100, DAY);
    await pay(buyer!, HOUR);
    // Bought before it was warned: no success of the warning.
    await pay(early!, 3 * DAY);
    await cross(early!, 100, DAY);
    await cross(stopped!, 100, DAY);
    // Long ago, beyond the span.
    await cross(stopped!, 90, 40 * DAY);

    const { status, body } = await http.call('GET', '/v1/analytics/extra-minutes');
    expect(status).toBe(200);
    expect(body.warned).toEqual({ organizations: 4, bought: 1, conversion: 0.25 });
    expect(body.reachedLimit).toEqual({ organizations: 3, bought: 1, conversion: 1 / 3 });
    expect(body.buyers).toBe(2);
  });

  it('count money by currency and package, less what was given back', async () => {
    const { org } = await makeTestAccount(http.db);
    const days = { from: new Date(START - 100 * DAY), to: new Date(START - 60 * DAY) };
    const ago = 80 * DAY;
    await pay(org, ago);
    const partly = await pay(org, ago, { kind: 'topUp', attempt: 1, chargeRefundedCents: 900 });
    const [package_, grantedMs] = ['minutes-150', 2.5 * HOUR];
    const lost = await pay(org, ago, { package: package_, grantedMs, amountCents: 1_999 });
    await pay(org, ago, { currency: 'eur', amountCents: 950 });
    // None of these brought money in this span, by these keys.
    await pay(org, ago, { method: 'test' });
    await pay(org, ago, { livemode: true });
    await pay(org, ago, { status: 'open', paidAt: null });
    await pay(org, 59 * DAY);
    const refund = { org, payment: partly };
    await http.db.insert(paymentRefunds).values([
      { ...refund, id: 're_1', cents: 300, status: 'succeeded' },
      { ...refund, id: 're_2', cents: 600, status: 'failed' },
    ]);
    const dispute = { id: 'dp_1', org, payment: lost, cents: 1_999 };
    await http.db.insert(paymentDisputes).values({ ...dispute, status: 'lost' });

    const query = `from=${days.from.toISOString()}&to=${days.to.toISOString()}`;
    const { body } = await http.call('GET', `/v1/analytics/extra-minutes?${query}`);
    expect(body.revenue).toMatchObject([
      { currency: 'eur', purchases: 1, grossCents: 950, netCents: 950, averageMinutes: 60 },
      {
        ...{ currency: 'usd', purchases: 2, topUps: 1, grossCents: 3_997, refundedCents: 300 },
        ...{ lostCents: 1_999, netCents: 1_698, averageMinutes: 90 },
        byPackage: [
          { package: 'minutes-150', purchases: 1, netCents: 0 },
          { package: 'minutes-60', purchases: 1, topUps: 1, netCents: 1_698 },
        ],
      },
    ]);
    const live = await http.call('GET', `/v1/analytics/extra-minutes?${query}&livemode=true`);
    expect(live.body.revenue).toMatchObject([{ currency: 'usd', grossCents: 999 }]);
  });

  it('are for a key of the installation, and a span that can be looked through', async () => {
    const { org } = await makeTestAccount(http.db);
    const as = await http.makeKey([org]);
    expect((await http.call('GET', '/v1/analytics/extra-minutes', undefined, { as })).status).toBe(
      403,
    );
    const backwards = 'from=2026-05-02T00:00:00Z&to=2026-05-01T00:00:00Z';
    const { status } = await http.call('GET', `/v1/analytics/extra-minutes?${backwards}`);
    expect(status).toBe(422);
  });
});

describe('a recommendation', () => {
  it('names the package for what the forecast lacks, in a currency that has one', async () => {
    await http.call('PUT', '/v1/plans/small', { name: 'Small', minutes: 60 });
    await http.call('PUT', '/v1/orgs/lacking', { name: 'Lacking', plan: 'small' });
    const path = '/v1/orgs/lacking/extra-minutes/recommendation';
    const before = await http.call('GET', path);
    expect(before.body).toMatchObject({ package: null, reason: 'enough', quantity: 0 });

    await http.record('lacking', 'ann', 'long');
    await http.advance(HOUR);
    await http.beat('lacking', 'long', HOUR);
    const { status, body } = await http.call('GET', path);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ reason: 'atLimit', currency: 'usd', priceCents: 999, package: 'minutes-60' },
      basis: { remainingMs: 0, extraRemainingMs: 0 },
    });
    expect(body.detail).toMatch(/^Nothing remains in this period/);
    const inYen = await http.call('GET', `${path}?currency=jpy`);
    expect(inYen.body).toMatchObject({ package: null, reason: 'atLimit', currency: 'jpy' });
  });
});
