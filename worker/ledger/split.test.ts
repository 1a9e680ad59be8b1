import { asc, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extraMinutesPurchases, extraMinutesUsage } from '../../drizzle/schema/extra-minutes.ts';
import { dailyUsage, monthlyUsageCache, usageAlerts } from '../../drizzle/schema/usage.ts';
import {
  BEGIN,
  createTestLedger,
  JUNE,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { settle } from './settle.ts';
import { lotsOf, minutesOf, periodOf, sessionOf, settleAll } from './test-rows.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

async function giveLot(
  { org }: TestOrganization,
  id: string,
  grantedMs: number,
  more: Partial<typeof extraMinutesPurchases.$inferInsert> = {},
): Promise<void> {
  await ledger.connection.db.insert(extraMinutesPurchases).values({
    ...{ id: `${org}.${id}`, org, grantedMs, purchasedAt: BEGIN, source: 'import' },
    ...more,
  });
}

describe('the split', () => {
  it('burns lots first in, first out, those that expire first, and says which minute took which', async () => {
    const acme = await ledger.account({ plan: { quotaMs: MINUTE_MS } });
    await giveLot(acme, 'z-new', MINUTE_MS, { purchasedAt: BEGIN + 5 });
    await giveLot(acme, 'b-old', 30_000, { purchasedAt: BEGIN });
    await giveLot(acme, 'c-expires', 45_000, { purchasedAt: BEGIN + 9, expiresAt: JUNE });
    await giveLot(acme, 'd-frozen', MINUTE_MS, { purchasedAt: BEGIN - 9, frozenAt: BEGIN });
    await acme.open('s1');
    await acme.record('s1', 3 * MINUTE_MS);
    await settleAll(ledger, acme);
    expect((await lotsOf(ledger, acme)).map((it) => it.usedMs)).toEqual([
      30_000, 45_000, 0, 45_000,
    ]);
    const burnt = await ledger.connection.db
      .select()
      .from(extraMinutesUsage)
      .where(eq(extraMinutesUsage.org, acme.org))
      .orderBy(asc(extraMinutesUsage.minute), asc(extraMinutesUsage.purchase));
    expect(burnt.map((it) => [it.minute, it.purchase.split('.')[1], it.ms])).toEqual([
      [1, 'b-old', 15_000],
      [1, 'c-expires', 45_000],
      [2, 'b-old', 15_000],
      [2, 'z-new', 45_000],
    ]);
    expect(await periodOf(ledger, acme)).toMatchObject({
      planMs: MINUTE_MS,
      extraMs: 2 * MINUTE_MS,
    });
    expect(await acme.budget()).toMatchObject({ extraMs: 2 * MINUTE_MS, extraRemainingMs: 15_000 });
  });

  it('stops at the limit: the rest is overshoot of the session, in no minute', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 50_000 } });
    await acme.open('s1');
    await ledger.advance(55_000);
    await acme.beat('s1', 55_000);
    await acme.close('s1', 56_000);
    await settleAll(ledger, acme);
    expect(await minutesOf(ledger, acme)).toMatchObject([{ ms: 50_000, planMs: 50_000 }]);
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({
      ...{ state: 'closed', recordedMs: 56_000, overshootMs: 6000, settledMs: 50_000 },
      stoppedBy: `o|${acme.org}|${MAY}`,
    });
  });

  it('records shadow use as overage that nobody owes', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 10_000, enforcement: 'shadow' } });
    await acme.open('s1');
    await acme.record('s1', 30_000);
    await acme.close('s1', 30_000);
    await settleAll(ledger, acme);
    expect(await minutesOf(ledger, acme)).toMatchObject([
      { planMs: 10_000, overageMs: 20_000, billableMs: 0, debtMs: 0 },
    ]);
  });

  it('puts a minute across the month into both periods, and counts it where it began', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS } });
    await ledger.setNow(JUNE - 90_000);
    await acme.open('s1');
    await acme.record('s1', 3 * MINUTE_MS);
    await acme.close('s1', 3 * MINUTE_MS);
    await settleAll(ledger, acme);
    const rows = await minutesOf(ledger, acme);
    expect(rows.map((it) => [it.minute, it.period, it.ms, it.day])).toEqual([
      [0, MAY, 60_000, '2026-05-31'],
      [1, MAY, 30_000, '2026-05-31'],
      [1, JUNE, 30_000, '2026-06-01'],
      [2, JUNE, 60_000, '2026-06-01'],
    ]);
    expect(rows.every((it) => it.sessionMonth === '2026-05-01')).toBe(true);
    const cache = await ledger.connection.db
      .select()
      .from(monthlyUsageCache)
      .where(eq(monthlyUsageCache.org, acme.org))
      .orderBy(asc(monthlyUsageCache.period));
    expect(cache.map((it) => [it.usedMs, it.minutes, it.seconds])).toEqual([
      [90_000, 2, 90],
      [90_000, 1, 90],
    ]);
    const days = await ledger.connection.db
      .select()
      .from(dailyUsage)
      .where(eq(dailyUsage.org, acme.org))
      .orderBy(asc(dailyUsage.day));
    expect(days.map((it) => [it.day, it.usedMs])).toEqual([
      ['2026-05-31', 90_000],
      ['2026-06-01', 90_000],
    ]);
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({
      ...{ state: 'closed', firstPeriod: MAY, lastPeriod: JUNE },
    });
    await ledger.setNow(BEGIN);
  });
});

it('notes every crossing once, by budget, level and version', async () => {
  const acme = await ledger.account({
    plan: { quotaMs: 10_000, thresholds: { percent: [80, 100], remainingMinutes: [] } },
    members: [{ user: 'alice', quotaMs: 9000 }],
  });
  await acme.open('s1');
  await ledger.advance(9500);
  await acme.beat('s1', 9500);
  const dies = () => Promise.reject(new Error('killed'));
  const dying = { ...ledger.context, meter: { ...ledger.meter, settled: dies } };
  await expect(settle(dying, acme.shard, { limit: 1000 })).rejects.toThrow('killed');
  expect(await settleAll(ledger, acme)).toMatchObject({ refused: 0 });
  expect(await acme.pending()).toEqual([]);
  const alerts = await ledger.connection.db
    .select()
    .from(usageAlerts)
    .where(eq(usageAlerts.org, acme.org))
    .orderBy(asc(usageAlerts.scope), asc(usageAlerts.level));
  expect(alerts.map((it) => [it.scope, it.user, it.level, it.crossedAt])).toEqual([
    ['member', 'alice', 80, ledger.now],
    ['member', 'alice', 100, ledger.now],
    ['organization', null, 80, ledger.now],
  ]);
});
