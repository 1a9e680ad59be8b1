import { asc, eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SHARDS } from '../../core/meter/keys.ts';
import { readShards } from '../../drizzle/queries/read-shards.ts';
import { requestRecovery } from '../../drizzle/queries/request-recovery.ts';
import { recoveries } from '../../drizzle/schema/operations.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { sessions } from '../../drizzle/schema/sessions.ts';
import { settle } from '../ledger/settle.ts';
import { minutesOf, sessionOf, settleAll } from '../ledger/test-rows.ts';
import {
  BEGIN,
  createTestLedger,
  JUNE,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { shardsInNeed } from './need.ts';
import { recover } from './recover.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const generationOf = async ({ shard }: TestOrganization) =>
  (await readShards(ledger.connection.db))[shard]!.generation;

it('makes an empty Redis serve: the first start is a recovery of every shard', async () => {
  const all = Array.from({ length: SHARDS }, (_, shard) => shard);
  const before = await readShards(ledger.connection.db);
  const needs = await shardsInNeed(ledger.meter, all, before);
  const done = await recover(
    ledger.context,
    needs.map((need) => need.shard),
  );
  expect(done.map((it) => it.shard)).toHaveLength(needs.length);
  const after = await readShards(ledger.connection.db);
  expect(await shardsInNeed(ledger.meter, all, after)).toEqual([]);
});

it('heals an emptied Redis: what is settled comes back, what a gateway remembers is charged on top', async () => {
  const acme = await ledger.account({ plan: { quotaMs: 10 * MINUTE_MS } });
  await acme.open('s1');
  await acme.record('s1', 2.5 * MINUTE_MS);
  await settleAll(ledger, acme);
  await acme.record('s1', 1.25 * MINUTE_MS);
  const generation = await generationOf(acme);
  await ledger.lose(acme.shard);
  expect(await settleAll(ledger, acme)).toEqual({ status: 'recover' });
  expect(await recover(ledger.context, [acme.shard])).toEqual([
    { shard: acme.shard, generation: generation + 1, sessions: 1 },
  ]);
  expect(await acme.session('s1')).toMatchObject({
    ...{ totalMs: 2 * MINUTE_MS, state: 'detached', epoch: { generation: 0, counter: 0 } },
  });
  await acme.assert();
  expect(await acme.session('s1')).toMatchObject({
    ...{ totalMs: 3.75 * MINUTE_MS, state: 'recording' },
    bySource: { planMs: 3.75 * MINUTE_MS, extraMs: 0, overageMs: 0 },
  });
  await acme.record('s1', 0.5 * MINUTE_MS);
  await acme.close('s1', 4.25 * MINUTE_MS);
  await settleAll(ledger, acme);
  expect((await minutesOf(ledger, acme)).map((it) => it.ms)).toEqual([
    60_000, 60_000, 60_000, 60_000, 15_000,
  ]);
  expect(await sessionOf(ledger, acme)).toMatchObject({
    state: 'closed',
    recordedMs: 4.25 * MINUTE_MS,
  });
  expect(await acme.budget()).toMatchObject({ usedMs: 4.25 * MINUTE_MS, planMs: 4.25 * MINUTE_MS });
});

it('heals a Redis that came back with older data, and settles what only it still has', async () => {
  const acme = await ledger.account();
  await acme.open('s1');
  await acme.open('s2', 'bob');
  await acme.record('s1', 90_000);
  await acme.beat('s2', 10_000);
  const rollBack = await ledger.keep(acme.shard);
  await acme.record('s1', 2 * MINUTE_MS);
  await settleAll(ledger, acme);
  expect(await minutesOf(ledger, acme)).toHaveLength(3);
  await rollBack();
  expect(await settleAll(ledger, acme)).toEqual({ status: 'recover' });
  await recover(ledger.context, [acme.shard]);
  // s2's open ten seconds were in the older data alone: the ledger has them now.
  expect((await minutesOf(ledger, acme)).map((it) => [it.session, it.ms])).toEqual([
    ['s1', 60_000],
    ['s1', 60_000],
    ['s1', 60_000],
    ['s2', 10_000],
  ]);
  await acme.assert();
  expect(await acme.session('s1')).toMatchObject({ totalMs: 3.5 * MINUTE_MS });
  await acme.close('s1', 3.5 * MINUTE_MS);
  await acme.close('s2', 10_000);
  await settleAll(ledger, acme);
  expect((await minutesOf(ledger, acme)).reduce((sum, it) => sum + it.ms, 0)).toBe(220_000);
  const rows = await ledger.connection.db.select().from(sessions).where(eq(sessions.org, acme.org));
  expect(rows.map((it) => it.state)).toEqual(['closed', 'closed']);
});

it('brings a session back into the period it had reached', async () => {
  const acme = await ledger.account();
  await ledger.setNow(JUNE - 90_000);
  await acme.open('s1');
  await acme.record('s1', 2.5 * MINUTE_MS);
  await settleAll(ledger, acme);
  await ledger.lose(acme.shard);
  await recover(ledger.context, [acme.shard]);
  await acme.assert();
  await acme.record('s1', 30_000);
  await acme.close('s1', 3 * MINUTE_MS);
  await settleAll(ledger, acme);
  const periods = await ledger.connection.db
    .select()
    .from(billingPeriods)
    .where(eq(billingPeriods.org, acme.org))
    .orderBy(asc(billingPeriods.startsAt));
  expect(periods.map((it) => [it.startsAt, it.usedMs])).toEqual([
    [MAY, 90_000],
    [JUNE, 90_000],
  ]);
  await ledger.setNow(BEGIN);
});

it('fills a minute below a settled one, since it must have been full', async () => {
  const acme = await ledger.account({ plan: { quotaMs: 90_000, atLimit: 'overage' } });
  await acme.open('s1');
  await acme.record('s1', 3.5 * MINUTE_MS);
  const pending = await acme.pending();
  // A worker has settled the third minute and a piece of the first; the rest is lost with Redis.
  const items = pending
    .filter((it) => it.kind === 'minute' && it.minute !== 1)
    .map((it) => (it.kind === 'minute' && it.minute === 0 ? { ...it, ms: 20_000 } : it));
  const meter = {
    ...ledger.meter,
    pending: async () => {
      const reply = await ledger.meter.pending(acme.shard, { limit: 1 });
      return reply.status === 'ok' ? { ...reply, items } : reply;
    },
  };
  await settle({ ...ledger.context, meter }, acme.shard, { limit: 1 });
  expect((await minutesOf(ledger, acme)).map((it) => [it.minute, it.ms])).toEqual([
    [0, 20_000],
    [2, 60_000],
  ]);
  await ledger.lose(acme.shard);
  await recover(ledger.context, [acme.shard]);
  expect((await minutesOf(ledger, acme)).map((it) => [it.minute, it.ms])).toEqual([
    [0, 60_000],
    [1, 60_000],
    [2, 60_000],
  ]);
  expect(await acme.session('s1')).toMatchObject({ totalMs: 3 * MINUTE_MS });
  await acme.assert();
  expect(await acme.session('s1')).toMatchObject({ totalMs: 3.5 * MINUTE_MS });
});

it('is done once, however many try', async () => {
  const acme = await ledger.account();
  const generation = await generationOf(acme);
  await ledger.lose(acme.shard);
  await requestRecovery(ledger.connection.db, acme.shard, 'gateway-1');
  await requestRecovery(ledger.connection.db, acme.shard, 'gateway-2');
  const all = await Promise.all([1, 2, 3].map(() => recover(ledger.context, [acme.shard])));
  expect(all.flat()).toHaveLength(1);
  expect(await generationOf(acme)).toBe(generation + 1);
  const asked = await ledger.connection.db
    .select()
    .from(recoveries)
    .where(eq(recoveries.shard, acme.shard));
  expect(asked).toMatchObject([{ requestedBy: 'gateway-1', generation: generation + 1 }]);
  expect(asked[0]?.doneAt).not.toBeNull();
});

it('begins anew where an earlier one was cut short, and never lowers a generation', async () => {
  const acme = await ledger.account();
  await acme.open('s1');
  await acme.record('s1', MINUTE_MS);
  await settleAll(ledger, acme);
  const generation = await generationOf(acme);
  await ledger.lose(acme.shard);
  for (const step of ['flush', 'reset', 'adopt', 'announce'] as const) {
    const dying = { ...ledger.meter, [step]: () => Promise.reject(new Error('killed')) };
    const cut = recover({ ...ledger.context, meter: dying }, [acme.shard]);
    await expect(cut).rejects.toThrow('killed');
  }
  const [done] = await recover(ledger.context, [acme.shard]);
  expect(done?.generation).toBe(generation + 5);
  expect(await recover(ledger.context, [acme.shard])).toEqual([]);
  // A Postgres that was restored from a backup knows an older generation than Redis.
  await ledger.connection.db.execute(sql`
    update shards set generation = generation - 2 where shard = ${acme.shard}`);
  const [again] = await recover(ledger.context, [acme.shard]);
  expect(again?.generation).toBe(generation + 6);
  await acme.assert();
  await settleAll(ledger, acme);
  expect((await minutesOf(ledger, acme)).map((it) => it.ms)).toEqual([60_000]);
});
