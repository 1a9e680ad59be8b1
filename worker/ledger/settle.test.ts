import { and, asc, eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Meter } from '../../core/meter/commands.ts';
import { extraMinutesPurchases, extraMinutesUsage } from '../../drizzle/schema/extra-minutes.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { sessions, usageTracking } from '../../drizzle/schema/sessions.ts';
import { dailyUsage, monthlyUsageCache, usageAlerts } from '../../drizzle/schema/usage.ts';
import { recover } from '../recovery/recover.ts';
import {
  BEGIN,
  createTestLedger,
  JUNE,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { type SettleOutcome, settle } from './settle.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const everything = (it: TestOrganization): Promise<SettleOutcome> =>
  settle(ledger.context, it.shard, { limit: 1000 });
const minutesOf = ({ org }: TestOrganization) =>
  ledger.connection.db
    .select()
    .from(usageTracking)
    .where(eq(usageTracking.org, org))
    .orderBy(asc(usageTracking.session), asc(usageTracking.minute), asc(usageTracking.period));
const sessionOf = async ({ org }: TestOrganization, session: string) =>
  (
    await ledger.connection.db
      .select()
      .from(sessions)
      .where(and(eq(sessions.org, org), eq(sessions.id, session)))
  )[0];
const periodOf = async ({ org }: TestOrganization, startsAt = MAY) =>
  (
    await ledger.connection.db
      .select()
      .from(billingPeriods)
      .where(and(eq(billingPeriods.org, org), eq(billingPeriods.startsAt, startsAt)))
  )[0]!;
const lotsOf = async ({ org }: TestOrganization) =>
  ledger.connection.db
    .select()
    .from(extraMinutesPurchases)
    .where(eq(extraMinutesPurchases.org, org))
    .orderBy(asc(extraMinutesPurchases.id));

/** Records `ms` from now on, in beats of at most a minute. */
async function record(it: TestOrganization, session: string, ms: number): Promise<void> {
  const from = (await it.session(session)).totalMs;
  for (let done = 0; done < ms; ) {
    const step = Math.min(MINUTE_MS, ms - done);
    await ledger.advance(step);
    done += step;
    await it.beat(session, from + done);
  }
}

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

describe('settling', () => {
  it('brings one minute from the unsettled set into the ledger, and out of the set', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS } });
    await acme.open('s1');
    await record(acme, 's1', MINUTE_MS);
    expect(await everything(acme)).toMatchObject({ minutes: 1, grownMs: MINUTE_MS, refused: 0 });
    expect(await minutesOf(acme)).toMatchObject([
      {
        ...{ session: 's1', minute: 0, period: MAY, user: 'alice', day: '2026-05-30' },
        ...{ sessionMonth: '2026-05-01', ms: MINUTE_MS, planMs: MINUTE_MS, extraMs: 0 },
      },
    ]);
    expect(await acme.pending()).toEqual([]);
    expect(await periodOf(acme)).toMatchObject({
      usedMs: MINUTE_MS,
      planMs: MINUTE_MS,
      sequence: 1,
    });
    expect(await acme.budget()).toMatchObject({ usedMs: MINUTE_MS, planMs: MINUTE_MS });
  });

  it('keeps a partial last minute, closes the session, and retires it from the meter', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await record(acme, 's1', 90_000);
    await everything(acme);
    expect(await sessionOf(acme, 's1')).toMatchObject({ state: 'live', settledMs: MINUTE_MS });
    await acme.close('s1', 90_000);
    await everything(acme);
    expect((await minutesOf(acme)).map((it) => it.ms)).toEqual([60_000, 30_000]);
    expect(await sessionOf(acme, 's1')).toMatchObject({
      ...{ state: 'closed', recordedMs: 90_000, overshootMs: 0, settledMs: 90_000 },
      ...{ reason: 'stopped', endedAt: ledger.now, startedAt: ledger.now - 90_000 },
    });
    await expect(acme.session('s1')).rejects.toThrow('unknown');
  });

  it('raises an unfinished minute and splits only what it grew by', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 20_000, atLimit: 'overage' } });
    await acme.open('s1');
    await record(acme, 's1', 15_000);
    await acme.beat('s1', 15_000, 'paused');
    await everything(acme);
    await record(acme, 's1', 10_000);
    await acme.beat('s1', 25_000, 'paused');
    await everything(acme);
    expect(await minutesOf(acme)).toMatchObject([
      { ms: 25_000, planMs: 20_000, overageMs: 5000, billableMs: 5000 },
    ]);
    expect(await periodOf(acme)).toMatchObject({ usedMs: 25_000, billableMs: 5000, sequence: 2 });
  });

  it('twice is once, in any order and by two workers at a time', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 3 * MINUTE_MS } });
    await giveLot(acme, 'lot', 10 * MINUTE_MS);
    await acme.open('s1');
    await acme.open('s2', 'bob');
    await record(acme, 's1', 2.5 * MINUTE_MS);
    await ledger.advance(2 * MINUTE_MS);
    await acme.beat('s2', 2 * MINUTE_MS);
    await acme.close('s1', 2.5 * MINUTE_MS);
    await acme.close('s2', 2 * MINUTE_MS);
    const pending = await ledger.meter.pending(acme.shard, { limit: 1000 });
    // Each worker read the same before any of them wrote.
    const late = { ...ledger.context, meter: { ...ledger.meter, pending: async () => pending } };
    const outcomes = await Promise.all([1, 2, 3].map(() => settle(late, acme.shard, { limit: 1 })));
    const grown = outcomes.map((it) => (it.status === 'settled' ? it.grownMs : -1));
    expect(grown.sort((a, b) => a - b)).toEqual([0, 0, 4.5 * MINUTE_MS]);
    await settle(late, acme.shard, { limit: 1 });
    expect(await periodOf(acme)).toMatchObject({
      ...{ usedMs: 4.5 * MINUTE_MS, planMs: 3 * MINUTE_MS, extraMs: 1.5 * MINUTE_MS, sequence: 1 },
    });
    expect((await lotsOf(acme))[0]?.usedMs).toBe(1.5 * MINUTE_MS);
    expect(await acme.pending()).toEqual([]);
  });

  it('keeps what grew between the reading and the removal', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await record(acme, 's1', 10_000);
    await acme.beat('s1', 10_000, 'paused');
    const slow: Meter = {
      ...ledger.meter,
      async settled(command) {
        await record(acme, 's1', 5000);
        await acme.beat('s1', 15_000, 'paused');
        return ledger.meter.settled(command);
      },
    };
    await settle({ ...ledger.context, meter: slow }, acme.shard, { limit: 100 });
    expect(await acme.pending()).toMatchObject([{ kind: 'minute', ms: 15_000 }]);
    await everything(acme);
    expect(await minutesOf(acme)).toMatchObject([{ ms: 15_000 }]);
    expect(await acme.budget()).toMatchObject({ usedMs: 15_000, planMs: 15_000 });
  });

  it('does not lower what a later reader has written', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await record(acme, 's1', 10_000);
    await acme.beat('s1', 10_000, 'paused');
    const early = await ledger.meter.pending(acme.shard, { limit: 100 });
    await record(acme, 's1', 10_000);
    await acme.close('s1', 20_000);
    await everything(acme);
    const meter = { ...ledger.meter, pending: async () => early };
    await settle({ ...ledger.context, meter }, acme.shard, { limit: 100 });
    expect(await minutesOf(acme)).toMatchObject([{ ms: 20_000 }]);
    expect(await sessionOf(acme, 's1')).toMatchObject({ state: 'closed', recordedMs: 20_000 });
  });
});

describe('a worker that dies', () => {
  class Killed extends Error {}
  const dies = () => Promise.reject(new Killed());

  async function afterwards(acme: TestOrganization): Promise<void> {
    await everything(acme);
    expect(await minutesOf(acme)).toMatchObject([{ ms: MINUTE_MS, planMs: MINUTE_MS }]);
    expect(await periodOf(acme)).toMatchObject({ usedMs: MINUTE_MS, planMs: MINUTE_MS });
    expect(await acme.pending()).toEqual([]);
    expect(await acme.budget()).toMatchObject({ usedMs: MINUTE_MS, planMs: MINUTE_MS });
  }
  async function one(): Promise<TestOrganization> {
    const acme = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS } });
    await acme.open('s1');
    await record(acme, 's1', MINUTE_MS);
    return acme;
  }

  it('before the commit has written nothing', async () => {
    const acme = await one();
    const admin = ledger.connection.db;
    await admin.execute(sql`select 1`);
    const failing = { ...ledger.context, sql: diesBeforeCommit() };
    await expect(settle(failing, acme.shard, { limit: 100 })).rejects.toThrow('killed');
    expect(await minutesOf(acme)).toEqual([]);
    expect(await periodOf(acme)).toMatchObject({ usedMs: 0, sequence: 0 });
    await afterwards(acme);
  });

  it('after the commit and before the removal is repeated without effect', async () => {
    const acme = await one();
    const failing = { ...ledger.context, meter: { ...ledger.meter, settled: dies } };
    await expect(settle(failing, acme.shard, { limit: 100 })).rejects.toThrow(Killed);
    expect(await minutesOf(acme)).toHaveLength(1);
    expect(await acme.pending()).not.toEqual([]);
    await afterwards(acme);
  });

  it('after the removal and before it heard of it is repeated without effect', async () => {
    const acme = await one();
    const meter: Meter = {
      ...ledger.meter,
      async settled(command) {
        await ledger.meter.settled(command);
        return dies();
      },
    };
    await expect(settle({ ...ledger.context, meter }, acme.shard, { limit: 9 })).rejects.toThrow(
      Killed,
    );
    await afterwards(acme);
  });

  /** The same connection, whose transactions do all their work and then don't commit. */
  function diesBeforeCommit(): typeof ledger.connection.sql {
    const real = ledger.connection.sql;
    return new Proxy(real, {
      get(target, name) {
        if (name !== 'begin') return Reflect.get(target, name);
        return (work: (tx: unknown) => Promise<unknown>) =>
          target.begin(async (tx) => {
            await work(tx);
            throw new Error('killed');
          });
      },
    });
  }
});

describe('the split', () => {
  it('burns lots first in, first out, those that expire first, and says which minute took which', async () => {
    const acme = await ledger.account({ plan: { quotaMs: MINUTE_MS } });
    await giveLot(acme, 'a-new', MINUTE_MS, { purchasedAt: BEGIN + 5 });
    await giveLot(acme, 'b-old', 30_000, { purchasedAt: BEGIN });
    await giveLot(acme, 'c-expires', 45_000, { purchasedAt: BEGIN + 9, expiresAt: JUNE });
    await giveLot(acme, 'd-frozen', MINUTE_MS, { purchasedAt: BEGIN - 9, frozenAt: BEGIN });
    await acme.open('s1');
    await record(acme, 's1', 3 * MINUTE_MS);
    await everything(acme);
    expect((await lotsOf(acme)).map((it) => it.usedMs)).toEqual([45_000, 30_000, 45_000, 0]);
    const burnt = await ledger.connection.db
      .select()
      .from(extraMinutesUsage)
      .where(eq(extraMinutesUsage.org, acme.org))
      .orderBy(asc(extraMinutesUsage.minute), asc(extraMinutesUsage.purchase));
    expect(burnt.map((it) => [it.minute, it.purchase.split('.')[1], it.ms])).toEqual([
      [1, 'b-old', 15_000],
      [1, 'c-expires', 45_000],
      [2, 'a-new', 45_000],
      [2, 'b-old', 15_000],
    ]);
    expect(await periodOf(acme)).toMatchObject({ planMs: MINUTE_MS, extraMs: 2 * MINUTE_MS });
    expect(await acme.budget()).toMatchObject({ extraMs: 2 * MINUTE_MS, extraRemainingMs: 15_000 });
  });

  it('stops at the limit: the rest is overshoot of the session, in no minute', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 50_000 } });
    await acme.open('s1');
    await ledger.advance(55_000);
    await acme.beat('s1', 55_000);
    await acme.close('s1', 56_000);
    await everything(acme);
    expect(await minutesOf(acme)).toMatchObject([{ ms: 50_000, planMs: 50_000 }]);
    expect(await sessionOf(acme, 's1')).toMatchObject({
      ...{ state: 'closed', recordedMs: 56_000, overshootMs: 6000, settledMs: 50_000 },
      stoppedBy: `o|${acme.org}|${MAY}`,
    });
  });

  it('records shadow use as overage that nobody owes', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 10_000, enforcement: 'shadow' } });
    await acme.open('s1');
    await record(acme, 's1', 30_000);
    await acme.close('s1', 30_000);
    await everything(acme);
    expect(await minutesOf(acme)).toMatchObject([
      { planMs: 10_000, overageMs: 20_000, billableMs: 0, debtMs: 0 },
    ]);
  });

  it('puts a minute across the month into both periods, and counts it where it began', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS } });
    await ledger.setNow(JUNE - 90_000);
    await acme.open('s1');
    await record(acme, 's1', 3 * MINUTE_MS);
    await acme.close('s1', 3 * MINUTE_MS);
    await everything(acme);
    const rows = await minutesOf(acme);
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
    expect(await sessionOf(acme, 's1')).toMatchObject({
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
  await everything(acme);
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

it('lets one session that Postgres refuses wait without holding up the others', async () => {
  const acme = await ledger.account();
  await acme.open('good');
  await acme.open('bad');
  await ledger.advance(5000);
  await acme.beat('good', 5000, 'paused');
  await acme.beat('bad', 5000, 'paused');
  const meter: Meter = {
    ...ledger.meter,
    async pending(shard, ask) {
      const reply = await ledger.meter.pending(shard, ask);
      if (reply.status !== 'ok') return reply;
      const items = reply.items.map((it) =>
        it.kind === 'minute' && it.session === 'bad' ? { ...it, ms: 60_001 } : it,
      );
      return { ...reply, items };
    },
  };
  const outcome = await settle({ ...ledger.context, meter }, acme.shard, { limit: 100 });
  expect(outcome).toMatchObject({ status: 'settled', refused: 2, grownMs: 5000 });
  expect((await minutesOf(acme)).map((it) => it.session)).toEqual(['good']);
  expect((await acme.pending()).map((it) => it.field).sort()).toEqual([
    expect.stringContaining('bad'),
    expect.stringContaining('bad'),
  ]);
});

it('gives work of an older generation back to the meter instead of writing it', async () => {
  const acme = await ledger.account();
  await acme.open('s1');
  await record(acme, 's1', MINUTE_MS + 10_000);
  await acme.beat('s1', MINUTE_MS + 10_000, 'paused');
  const pending = await ledger.meter.pending(acme.shard, { limit: 100 });
  // Redis is emptied and recovered while this worker holds what nobody else has.
  const keys = await ledger.redis.redis.keys(`${ledger.namespace}:{${acme.shard}}:*`);
  await ledger.redis.redis.del(...keys);
  expect(await recover(ledger.context, [acme.shard])).toHaveLength(1);
  const late = { ...ledger.context, meter: { ...ledger.meter, pending: async () => pending } };
  expect(await settle(late, acme.shard, { limit: 100 })).toEqual({ status: 'recover' });
  expect(await minutesOf(acme)).toEqual([]);
  expect(await acme.session('s1')).toMatchObject({ totalMs: MINUTE_MS + 10_000 });
  await everything(acme);
  expect((await minutesOf(acme)).map((it) => it.ms)).toEqual([60_000, 10_000]);
});
