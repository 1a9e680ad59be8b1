/**
 * Random schedules on real stores: recorders, settlings that are cut short, repeated and late, a
 * Redis that is emptied or comes back with older data, lots, a month's end. An oracle of its own
 * counts what each recorder was told, and at the end ledger and meter must say the same.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Meter } from '../../core/meter/commands.ts';
import { recover } from '../recovery/recover.ts';
import {
  createTestLedger,
  JUNE,
  MAY,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from '../test-ledger.ts';
import { settle } from './settle.ts';

const RUNS = Number(process.env.RUNS ?? 25);
const SEED = Number(process.env.SEED ?? 20_260_530);
const SESSIONS = ['s1', 's2', 's3'] as const;

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

const session = fc.constantFrom(...SESSIONS);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('beat' as const),
      session,
      ms: fc.integer({ min: 1, max: 100_000 }),
      state: fc.constantFrom('recording' as const, 'paused' as const, 'detached' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      most: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('dieBefore' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('dieAfter' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repeatLate' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rollBack' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cutShort' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), session }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lot' as const),
      ms: fc.integer({ min: 1, max: 120_000 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const limits = fc.record({
  quotaMs: fc.option(fc.integer({ min: 0, max: 8 * MINUTE_MS }), { freq: 1 }),
  atLimit: fc.constantFrom('stop' as const, 'overage' as const),
  /** how long before the month's end it begins */
  beforeEndMs: fc.oneof(
    fc.constant(20 * 24 * 3_600_000),
    fc.integer({ min: 1, max: 5 * MINUTE_MS }),
  ),
});

class Run {
  readonly acme: TestOrganization;
  readonly told = new Map<string, number>();
  readonly open = new Set<string>();
  /** by rule 19, from what each recorder said and when: `session|period` → ms */
  readonly placed = new Map<string, number>();
  private readonly upTo = new Map<string, number>();
  private rollBack: (() => Promise<void>) | null = null;
  private late: Awaited<ReturnType<Meter['pending']>> | null = null;

  constructor(acme: TestOrganization) {
    this.acme = acme;
  }

  settle(ask = { limit: 1000 }, meter: Meter = ledger.meter) {
    return settle({ ...ledger.context, meter }, this.acme.shard, ask);
  }

  async recover(): Promise<void> {
    await recover(ledger.context, [this.acme.shard]);
    await this.acme.assert();
  }

  async take(it: Step): Promise<void> {
    const { acme } = this;
    switch (it.do) {
      case 'beat': {
        if (!this.open.has(it.session)) {
          if (this.told.has(it.session)) return;
          try {
            await acme.open(it.session, it.session === 's3' ? 'bob' : 'alice');
          } catch (error) {
            if (String(error).includes('limitReached')) return;
            throw error;
          }
          this.open.add(it.session);
          this.told.set(it.session, 0);
          this.upTo.set(it.session, ledger.now);
        }
        await ledger.advance(it.ms);
        await acme.beat(it.session, this.told.get(it.session)! + it.ms, it.state);
        this.told.set(it.session, this.told.get(it.session)! + it.ms);
        this.place(it.session, it.ms);
        return;
      }
      case 'settle':
        await this.settle({ limit: it.most });
        return;
      case 'dieBefore': {
        const pending = await ledger.meter.pending(acme.shard, { limit: 1000 });
        this.late = pending;
        return;
      }
      case 'dieAfter':
        await this.settle(undefined, {
          ...ledger.meter,
          settled: () => Promise.reject(new Error('killed')),
        }).catch((error) => {
          if (String(error) !== 'Error: killed') throw error;
        });
        return;
      case 'repeatLate': {
        const { late } = this;
        if (late === null) return;
        await this.settle(undefined, { ...ledger.meter, pending: async () => late });
        return;
      }
      case 'lose':
        await ledger.lose(acme.shard);
        await this.recover();
        return;
      case 'rollBack':
        if (this.rollBack === null) {
          this.rollBack = await ledger.keep(acme.shard);
          return;
        }
        await this.rollBack();
        this.rollBack = null;
        await this.recover();
        return;
      case 'cutShort': {
        await ledger.lose(acme.shard);
        const dying = { ...ledger.meter, adopt: () => Promise.reject(new Error('killed')) };
        await recover({ ...ledger.context, meter: dying }, [acme.shard]).catch(() => {});
        await this.recover();
        return;
      }
      case 'close':
        await this.close(it.session);
        return;
      case 'lot':
        // Two lots of one instant burn by their ids, whichever came first.
        await ledger.advance(1);
        await acme.give(it.ms);
    }
  }

  private place(id: string, ms: number): void {
    const upTo = this.upTo.get(id)!;
    const old = ledger.now < JUNE ? ms : Math.min(ms, Math.max(0, JUNE - upTo));
    const add = (period: number, part: number) => {
      const key = `${id}|${period}`;
      if (part > 0) this.placed.set(key, (this.placed.get(key) ?? 0) + part);
    };
    add(MAY, old);
    add(JUNE, ms - old);
    this.upTo.set(id, ledger.now);
  }

  async close(id: string): Promise<void> {
    if (!this.open.delete(id)) return;
    await this.acme.close(id, this.told.get(id)!);
  }
}

interface SessionTold {
  id: string;
  recorded: number;
  overshoot: number;
  settled: number;
  state: string;
  minutes: number;
}

async function check(run: Run, isUnlimited: boolean): Promise<void> {
  const { acme } = run;
  const { org } = acme;
  const { sql } = ledger.connection;
  expect(await acme.pending()).toEqual([]);

  // What each recorder was told = charged + overshoot, and charged = the ledger's sum.
  const rows = await sql<SessionTold[]>`
    select s.id, s.recorded_ms as recorded, s.overshoot_ms as overshoot, s.settled_ms as settled,
      s.state, (select coalesce(sum(ms), 0)::int from usage_tracking u
        where u.org = s.org and u.session = s.id) as minutes
    from sessions s where org = ${org} order by id`;
  expect(rows.map((it) => [it.id, it.recorded])).toEqual([...run.told].sort());
  for (const it of rows) {
    expect(it.settled + it.overshoot).toBe(it.recorded);
    expect(it.minutes).toBe(it.settled);
    expect(it.state).toBe('closed');
  }

  // A second belongs to one period, and to the right one.
  if (isUnlimited) {
    const found = await sql<{ key: string; ms: number }[]>`
      select session || '|' || epoch_ms(period) as key, sum(ms)::int as ms from usage_tracking
      where org = ${org} group by session, period`;
    expect(found.map((it) => [it.key, it.ms]).sort()).toEqual([...run.placed].sort());
  }

  // Minutes are dense: all but the last are full.
  const holes = await sql`
    select session, minute, sum(ms) from usage_tracking u where org = ${org}
    group by session, minute
    having sum(ms) < 60000 and minute < (select max(minute) from usage_tracking m
      where m.org = ${org} and m.session = u.session)`;
  expect([...holes]).toEqual([]);

  // Periods, months and days are the sums of their minutes, and the meter says the same.
  const periods = await sql<
    { start: number; used: number; plan: number; extra: number; overage: number; minutes: number }[]
  >`
    select epoch_ms(b.starts_at) as start, used_ms as used, plan_ms as plan, extra_ms as extra,
      overage_ms as overage, coalesce((select sum(ms) from usage_tracking u
        where u.org = b.org and u.period = b.starts_at), 0)::int as minutes
    from billing_periods b where org = ${org}`;
  for (const it of periods) {
    expect(it.minutes).toBe(it.used);
    const budget = await acme.budgetIfThere(it.start);
    if (budget === undefined) continue;
    expect(budget).toMatchObject({
      ...{ usedMs: it.used, planMs: it.plan, extraMs: it.extra, overageMs: it.overage },
    });
  }
  const [sums] = await sql<{ ledger: number; months: number; days: number }[]>`
    select (select coalesce(sum(ms), 0) from usage_tracking where org = ${org})::int as ledger,
      (select coalesce(sum(used_ms), 0) from monthly_usage_cache where org = ${org})::int as months,
      (select coalesce(sum(used_ms), 0) from daily_usage where org = ${org})::int as days`;
  expect(sums).toEqual({ ledger: sums!.ledger, months: sums!.ledger, days: sums!.ledger });

  // Lots: use of lots = extra of the ledger; none is touched while one before it has minutes left.
  const lots = await sql<{ id: string; granted: number; used: number; burnt: number }[]>`
    select id, granted_ms as granted, used_ms as used, coalesce((select sum(ms)
      from extra_minutes_usage where purchase = p.id), 0)::int as burnt
    from extra_minutes_purchases p where org = ${org} order by purchased_at, id`;
  for (const it of lots) expect(it.burnt).toBe(it.used);
  const extra = periods.reduce((sum, it) => sum + it.extra, 0);
  expect(lots.reduce((sum, it) => sum + it.used, 0)).toBe(extra);
  const firstWithRest = lots.findIndex((it) => it.used < it.granted);
  if (firstWithRest >= 0) {
    expect(lots.slice(firstWithRest + 1).every((it) => it.used === 0)).toBe(true);
  }
}

it('leaves the ledger with exactly what the recorders were told, whatever happened', {
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      limits,
      fc.array(step, { minLength: 10, maxLength: 40 }),
      async (plan, steps) => {
        await ledger.setNow(JUNE - plan.beforeEndMs);
        const { quotaMs, atLimit } = plan;
        const run = new Run(await ledger.account({ plan: { quotaMs, atLimit } }));
        for (const it of steps) await run.take(it);
        for (const id of SESSIONS) await run.close(id);
        await run.settle();
        await run.settle();
        await check(run, quotaMs === null);
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
});
