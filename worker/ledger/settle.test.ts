import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Meter } from '../../core/meter/commands.ts';
import { recover } from '../recovery/recover.ts';
import {
  createTestLedger,
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

describe('settling', () => {
  it('brings one minute from the unsettled set into the ledger, and out of the set', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS } });
    await acme.open('s1');
    await acme.record('s1', MINUTE_MS);
    expect(await settleAll(ledger, acme)).toMatchObject({
      minutes: 1,
      grownMs: MINUTE_MS,
      refused: 0,
    });
    expect(await minutesOf(ledger, acme)).toMatchObject([
      {
        ...{ session: 's1', minute: 0, period: MAY, user: 'alice', day: '2026-05-30' },
        ...{ sessionMonth: '2026-05-01', ms: MINUTE_MS, planMs: MINUTE_MS, extraMs: 0 },
      },
    ]);
    expect(await acme.pending()).toEqual([]);
    expect(await periodOf(ledger, acme)).toMatchObject({
      usedMs: MINUTE_MS,
      planMs: MINUTE_MS,
      sequence: 1,
    });
    expect(await acme.budget()).toMatchObject({ usedMs: MINUTE_MS, planMs: MINUTE_MS });
  });

  it('keeps a partial last minute, closes the session, and retires it from the meter', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await acme.record('s1', 90_000);
    await settleAll(ledger, acme);
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({
      state: 'live',
      settledMs: MINUTE_MS,
    });
    await acme.close('s1', 90_000);
    await settleAll(ledger, acme);
    expect((await minutesOf(ledger, acme)).map((it) => it.ms)).toEqual([60_000, 30_000]);
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({
      ...{ state: 'closed', recordedMs: 90_000, overshootMs: 0, settledMs: 90_000 },
      ...{ reason: 'stopped', endedAt: ledger.now, startedAt: ledger.now - 90_000 },
    });
    await expect(acme.session('s1')).rejects.toThrow('unknown');
  });

  it('closes an ended session not before it has all of its minutes', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await acme.record('s1', 90_000);
    await acme.close('s1', 90_000);
    await settle(ledger.context, acme.shard, { fields: [`s|${acme.org}|s1`] });
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({ state: 'ended', settledMs: 0 });
    await settleAll(ledger, acme);
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({
      ...{ state: 'closed', settledMs: 90_000, recordedMs: 90_000 },
    });
  });

  it('raises an unfinished minute and splits only what it grew by', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 20_000, atLimit: 'overage' } });
    await acme.open('s1');
    await acme.record('s1', 15_000);
    await acme.beat('s1', 15_000, 'paused');
    await settleAll(ledger, acme);
    await acme.record('s1', 10_000);
    await acme.beat('s1', 25_000, 'paused');
    await settleAll(ledger, acme);
    expect(await minutesOf(ledger, acme)).toMatchObject([
      { ms: 25_000, planMs: 20_000, overageMs: 5000, billableMs: 5000 },
    ]);
    expect(await periodOf(ledger, acme)).toMatchObject({
      usedMs: 25_000,
      billableMs: 5000,
      sequence: 2,
    });
  });

  it('twice is once, in any order and by two workers at a time', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 3 * MINUTE_MS } });
    await acme.give(10 * MINUTE_MS);
    await acme.open('s1');
    await acme.open('s2', 'bob');
    await acme.record('s1', 2.5 * MINUTE_MS);
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
    expect(await periodOf(ledger, acme)).toMatchObject({
      ...{ usedMs: 4.5 * MINUTE_MS, planMs: 3 * MINUTE_MS, extraMs: 1.5 * MINUTE_MS, sequence: 1 },
    });
    expect((await lotsOf(ledger, acme))[0]?.usedMs).toBe(1.5 * MINUTE_MS);
    expect(await acme.pending()).toEqual([]);
  });

  it('keeps what grew between the reading and the removal', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await acme.record('s1', 10_000);
    await acme.beat('s1', 10_000, 'paused');
    const slow: Meter = {
      ...ledger.meter,
      async settled(command) {
        await acme.record('s1', 5000);
        await acme.beat('s1', 15_000, 'paused');
        return ledger.meter.settled(command);
      },
    };
    await settle({ ...ledger.context, meter: slow }, acme.shard, { limit: 100 });
    expect(await acme.pending()).toMatchObject([{ kind: 'minute', ms: 15_000 }]);
    await settleAll(ledger, acme);
    expect(await minutesOf(ledger, acme)).toMatchObject([{ ms: 15_000 }]);
    expect(await acme.budget()).toMatchObject({ usedMs: 15_000, planMs: 15_000 });
  });

  it('does not lower what a later reader has written', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await acme.record('s1', 10_000);
    await acme.beat('s1', 10_000, 'paused');
    const early = await ledger.meter.pending(acme.shard, { limit: 100 });
    await acme.record('s1', 10_000);
    await acme.close('s1', 20_000);
    await settleAll(ledger, acme);
    const meter = { ...ledger.meter, pending: async () => early };
    await settle({ ...ledger.context, meter }, acme.shard, { limit: 100 });
    expect(await minutesOf(ledger, acme)).toMatchObject([{ ms: 20_000 }]);
    expect(await sessionOf(ledger, acme, 's1')).toMatchObject({
      state: 'closed',
      recordedMs: 20_000,
    });
  });
});

describe('a worker that dies', () => {
  class Killed extends Error {}
  const dies = () => Promise.reject(new Killed());

  async function afterwards(acme: TestOrganization): Promise<void> {
    await settleAll(ledger, acme);
    expect(await minutesOf(ledger, acme)).toMatchObject([{ ms: MINUTE_MS, planMs: MINUTE_MS }]);
    expect(await periodOf(ledger, acme)).toMatchObject({ usedMs: MINUTE_MS, planMs: MINUTE_MS });
    expect(await acme.pending()).toEqual([]);
    expect(await acme.budget()).toMatchObject({ usedMs: MINUTE_MS, planMs: MINUTE_MS });
  }
  async function one(): Promise<TestOrganization> {
    const acme = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS } });
    await acme.open('s1');
    await acme.record('s1', MINUTE_MS);
    return acme;
  }

  it('before the commit has written nothing', async () => {
    const acme = await one();
    const failing = { ...ledger.context, sql: diesBeforeCommit() };
    await expect(settle(failing, acme.shard, { limit: 100 })).rejects.toThrow('killed');
    expect(await minutesOf(ledger, acme)).toEqual([]);
    expect(await periodOf(ledger, acme)).toMatchObject({ usedMs: 0, sequence: 0 });
    await afterwards(acme);
  });

  it('after the commit and before the removal is repeated without effect', async () => {
    const acme = await one();
    const failing = { ...ledger.context, meter: { ...ledger.meter, settled: dies } };
    await expect(settle(failing, acme.shard, { limit: 100 })).rejects.toThrow(Killed);
    expect(await minutesOf(ledger, acme)).toHaveLength(1);
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
  expect((await minutesOf(ledger, acme)).map((it) => it.session)).toEqual(['good']);
  expect((await acme.pending()).map((it) => it.field).sort()).toEqual([
    expect.stringContaining('bad'),
    expect.stringContaining('bad'),
  ]);
});

it('gives work of an older generation back to the meter instead of writing it', async () => {
  const acme = await ledger.account();
  await acme.open('s1');
  await acme.record('s1', MINUTE_MS + 10_000);
  await acme.beat('s1', MINUTE_MS + 10_000, 'paused');
  const pending = await ledger.meter.pending(acme.shard, { limit: 100 });
  // Redis is emptied and recovered while this worker holds what nobody else has.
  const keys = await ledger.redis.redis.keys(`${ledger.namespace}:{${acme.shard}}:*`);
  await ledger.redis.redis.del(...keys);
  expect(await recover(ledger.context, [acme.shard])).toHaveLength(1);
  const late = { ...ledger.context, meter: { ...ledger.meter, pending: async () => pending } };
  expect(await settle(late, acme.shard, { limit: 100 })).toEqual({ status: 'recover' });
  expect(await minutesOf(ledger, acme)).toEqual([]);
  expect(await acme.session('s1')).toMatchObject({ totalMs: MINUTE_MS + 10_000 });
  await settleAll(ledger, acme);
  expect((await minutesOf(ledger, acme)).map((it) => it.ms)).toEqual([60_000, 10_000]);
});

it('gives it back also where the next recovery comes between', async () => {
  const { meter, context, redis, namespace, connection } = ledger;
  const acme = await ledger.account();
  await acme.open('s1');
  await acme.beat('s1', 40_000, 'paused');
  const pending = await meter.pending(acme.shard, { limit: 100 });
  const keys = await redis.redis.keys(`${namespace}:{${acme.shard}}:*`);
  await redis.redis.del(...keys);
  await recover(context, [acme.shard]);
  await connection.sql`update shards set generation = generation + 1 where shard = ${acme.shard}`;
  let seeds = 0;
  const late: Meter = {
    ...meter,
    pending: async () => pending,
    async seed(command) {
      const reply = await meter.seed(command);
      if (++seeds === 1) await recover(context, [acme.shard]);
      return reply;
    },
  };
  await settle({ ...context, meter: late }, acme.shard, { limit: 100 });
  expect(seeds).toBe(2);
  expect(await acme.session('s1')).toMatchObject({ totalMs: 40_000 });
});
