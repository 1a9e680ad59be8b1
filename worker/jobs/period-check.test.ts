/** The nightly check of periods: what it makes ahead, tells, finds and repairs, and how much at once. */
import { asc, eq, sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { organizationBudget } from '../../core/meter/budget-name.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { auditLog } from '../../drizzle/schema/operations.ts';
import { organizations } from '../../drizzle/schema/organizations.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { settle } from '../ledger/settle.ts';
import { settleAll } from '../ledger/test-rows.ts';
import { PERIODS_A_BATCH } from '../periods/lay-ahead.ts';
import { SEEDS_A_BATCH } from '../periods/live-budgets.ts';
import { createTestLedger, JUNE, MAY, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { createPeriodCheck, type PeriodCheck } from './period-check.ts';

const DAY_MS = 24 * 60 * MINUTE_MS;
const JULY = Date.UTC(2026, 6, 1);
const NOTHING = { ahead: 0, told: 0, missing: 0, overlap: 0, outdated: 0, stale: 0 };

let ledger: TestLedger;
let admin: postgres.Sql;
let check: PeriodCheck;
let pauses = 0;
beforeAll(async () => {
  ledger = await createTestLedger();
  admin = postgres(ledger.database.adminUrl, {
    ...{ max: 1, onnotice: () => {}, connection: { 'taximeter.scope': 'installation' } },
  });
});
beforeEach(() => {
  pauses = 0;
  const pace = {
    async pause() {
      pauses += 1;
    },
  };
  check = createPeriodCheck({ context: ledger.context, everyMs: 6 * 60 * MINUTE_MS, pace });
});
afterAll(async () => {
  await admin.end();
  await ledger.stop();
});

const spansOf = async (org: string) => {
  const of = eq(billingPeriods.org, org);
  const { db } = ledger.connection;
  const rows = await db
    .select()
    .from(billingPeriods)
    .where(of)
    .orderBy(asc(billingPeriods.startsAt));
  return rows.map((it) => [it.startsAt, it.endsAt]);
};
const auditOf = async (org: string) => {
  const rows = await ledger.connection.db.select().from(auditLog).where(eq(auditLog.org, org));
  return rows.map((it) => it.action).filter((it) => it.startsWith('period.'));
};

describe('before a boundary', () => {
  it('the next period is made, and the meter is told of it where somebody records', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 60 * MINUTE_MS } });
    const idle = await ledger.account();
    await ledger.setNow(MAY + MINUTE_MS);
    await acme.open('s1');
    await idle.open('s1');
    await idle.close('s1', 0);
    await settle(ledger.context, acme.shard, { limit: 10 });
    await settle(ledger.context, idle.shard, { limit: 10 });
    expect(await check.look()).toEqual(NOTHING);
    await ledger.setNow(JUNE - 3 * MINUTE_MS);
    expect(await check.look()).toEqual({ ...NOTHING, ahead: 2, told: 1 });
    expect(await spansOf(acme.org)).toEqual([
      [MAY, JUNE],
      [JUNE, JULY],
    ]);
    expect(await acme.budgetIfThere(JUNE)).toMatchObject({ quotaMs: 60 * MINUTE_MS, usedMs: 0 });
    expect(await idle.budgetIfThere(JUNE)).toBeUndefined();
    expect(await check.look()).toEqual(NOTHING);
    // Who joins later is told later.
    await acme.open('s2', 'bob');
    expect(await check.look()).toEqual({ ...NOTHING, told: 1 });
    for (const [of, session] of [
      [acme, 's1'],
      [acme, 's2'],
    ] as const) {
      await of.close(session, 0);
    }
    await settleAll(ledger, acme);
  });

  it('the partitions of the months to come are made', async () => {
    await ledger.setNow(Date.UTC(2031, 10, 15));
    await check.look();
    const found = await ledger.connection.sql<{ name: string }[]>`
      select relname as name from pg_class
      where relname like 'usage\\_tracking\\_203%' and relkind = 'r' order by 1`;
    expect(found.map((it) => it.name)).toEqual([
      ...['usage_tracking_2031_11', 'usage_tracking_2031_12'],
      ...['usage_tracking_2032_01', 'usage_tracking_2032_02'],
    ]);
    await ledger.setNow(JUNE + DAY_MS);
  });
});

describe('what is wrong', () => {
  beforeEach(async () => {
    await ledger.setNow(JUNE + DAY_MS);
    await check.look();
  });

  it('a missing present period is made, and noted where there were periods before', async () => {
    const acme = await ledger.account();
    const fresh = await ledger.account();
    await ledger.connection.db.insert(billingPeriods).values({
      ...{ org: acme.org, startsAt: MAY, endsAt: MAY + DAY_MS, mode: 0, version: 1 },
    });
    expect(await check.look()).toEqual({ ...NOTHING, missing: 1 });
    expect(await spansOf(acme.org)).toEqual([
      [MAY, MAY + DAY_MS],
      [JUNE, JULY],
    ]);
    expect(await spansOf(fresh.org)).toEqual([[JUNE, JULY]]);
    expect(await auditOf(acme.org)).toEqual(['period.missing']);
    expect(await auditOf(fresh.org)).toEqual([]);
    expect(await check.look()).toEqual(NOTHING);
  });

  it('overlapping ones are parted, the meter follows, and no ledger row is touched', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    expect(await acme.budget(JUNE)).toMatchObject({ endsAt: JULY });
    await acme.record('s1', 90_000);
    await acme.beat('s1', 90_000, 'paused');
    await settleAll(ledger, acme);
    const minutes = () =>
      admin`select * from usage_tracking where org = ${acme.org} order by minute`;
    const before = JSON.stringify(await minutes());
    const at = ledger.now + 10_000;
    await admin`alter table billing_periods disable trigger only_shorten`;
    await admin`
      insert into billing_periods (org, starts_at, ends_at, quota_ms, mode, version)
      select org, from_epoch_ms(${at}), ends_at + interval '5 days', quota_ms, mode, version
      from billing_periods where org = ${acme.org}`;
    await admin`alter table billing_periods enable trigger only_shorten`;
    // (It was made by no calendar, either.)
    expect(await check.look()).toMatchObject({ overlap: 1, outdated: 1 });
    expect(await spansOf(acme.org)).toEqual([
      [JUNE, at],
      [at, JULY],
    ]);
    expect(await auditOf(acme.org)).toEqual(['period.overlap', 'period.outdated']);
    // As the outbox has it told, for which the repair left word.
    const words = await admin`select from meter_outbox where org = ${acme.org}`;
    expect(words.length).toBeGreaterThan(0);
    const seeds = await loadSeeds(ledger.connection.db, acme.org, [
      organizationBudget(acme.org, JUNE),
    ]);
    await ledger.meter.seed(seeds!);
    expect(await acme.budget(JUNE)).toMatchObject({ endsAt: at, usedMs: 90_000 });
    await ledger.setNow(at + 5_000);
    await acme.beat('s1', 90_000, 'recording');
    await ledger.advance(2_000);
    await acme.beat('s1', 92_000);
    expect(await acme.budget(at)).toMatchObject({ usedMs: 2_000 });
    expect(JSON.stringify(await minutes())).toBe(before);
    expect(await check.look()).toEqual(NOTHING);
    await acme.close('s1', 92_000);
    await settleAll(ledger, acme);
  });

  it('one made ahead by an older calendar ends where the present one says', async () => {
    const acme = await ledger.account();
    const { db } = ledger.connection;
    await check.look();
    await ledger.setNow(JULY - DAY_MS / 2);
    await check.look();
    expect(await spansOf(acme.org)).toHaveLength(2);
    await db.update(organizations).set({ anchorDay: 10 }).where(eq(organizations.id, acme.org));
    expect(await check.look()).toEqual({ ...NOTHING, outdated: 1 });
    expect(await spansOf(acme.org)).toEqual([
      // The running one keeps its end.
      [JUNE, JULY],
      [JULY, Date.UTC(2026, 6, 10)],
    ]);
    expect(await auditOf(acme.org)).toEqual(['period.outdated']);
    // One that would end later keeps its end: somebody may have been told.
    await db.update(organizations).set({ anchorDay: 20 }).where(eq(organizations.id, acme.org));
    expect(await check.look()).toEqual(NOTHING);
    expect((await spansOf(acme.org))[1]![1]).toBe(Date.UTC(2026, 6, 10));
  });

  it('a session that can’t leave an old period is released, and moves with its next word', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await acme.record('s1', 30_000);
    const { epoch } = await acme.session('s1');
    await ledger.setNow(JULY + 10_000);
    const word = (totalMs: number) => ({
      ...{ org: acme.org, session: 's1', epoch, totalMs, ageMs: 0, state: 'recording' as const },
    });
    // Its gateway says it, and does not bring the next period.
    const [held] = (await ledger.meter.beats([word(40_000)], ledger.now)).items;
    expect(held).toMatchObject({ missingPeriod: JULY, totalMs: 40_000 });
    expect(await check.look()).toMatchObject({ stale: 1 });
    expect(await auditOf(acme.org)).toContain('period.stale');
    await ledger.advance(1_000);
    const [moved] = (await ledger.meter.beats([word(41_000)], ledger.now)).items;
    expect(moved).toMatchObject({ missingPeriod: null, totalMs: 41_000, period: JULY });
    expect(await check.look()).toEqual(NOTHING);
    // One that has not spoken since is not held: nothing is to be done.
    await acme.beat('s1', 41_000, 'paused');
    await ledger.setNow(Date.UTC(2026, 7, 1) - MINUTE_MS);
    await check.look();
    await ledger.advance(2 * MINUTE_MS);
    expect(await check.look()).toMatchObject({ stale: 0 });
    await acme.close('s1', 41_000);
    await settleAll(ledger, acme);
  });
});

describe('many that turn at one midnight', () => {
  const COUNT = 2 * PERIODS_A_BATCH + 130;
  const LIVE = SEEDS_A_BATCH + 4;
  const SEPTEMBER = Date.UTC(2026, 8, 1);

  it('are made and told in batches, no more at once than said, and move exactly', async () => {
    const { db } = ledger.connection;
    await ledger.setNow(Date.UTC(2026, 7, 15));
    const { plan } = await ledger.account();
    await db.execute(sql`
      insert into organizations (id, name, plan)
      select 'many-' || n, 'many', ${plan} from generate_series(1, ${COUNT}::integer) n`);
    await db.execute(sql`
      insert into billing_periods (org, starts_at, ends_at, mode, version)
      select id, '2026-08-01Z', '2026-09-01Z', 0, limit_version from organizations
      where id like 'many-%'`);
    const live = [];
    for (let i = 0; i < LIVE; i++) live.push(await ledger.account({ org: { id: `live-${i}` } }));
    for (const it of live) await it.open('s');
    await ledger.setNow(SEPTEMBER - MINUTE_MS);
    for (const it of live) await it.beat('s', 1_000);
    pauses = 0;
    const work = await check.look();
    expect(work.ahead).toBeGreaterThanOrEqual(COUNT + LIVE);
    expect(work.told).toBe(LIVE);
    expect(pauses).toBeGreaterThanOrEqual(2 + 1);
    const [largest] = await ledger.connection.sql<{ rows: number }[]>`
      select count(*) as rows from billing_periods where starts_at = '2026-09-01Z'
      group by xmin::text order by 1 desc limit 1`;
    expect(largest!.rows).toBe(PERIODS_A_BATCH);
    // Idle ones are not in the meter at all.
    const idle = await ledger.meter.readBudgets('many-1', [
      organizationBudget('many-1', SEPTEMBER),
    ]);
    expect(idle).not.toMatchObject({ budgets: [{}] });
    await ledger.setNow(SEPTEMBER + 500);
    for (const it of live) {
      const { epoch } = await it.session('s');
      const word = { org: it.org, session: 's', epoch, totalMs: 61_500, ageMs: 0 };
      const [item] = (await ledger.meter.beats([{ ...word, state: 'recording' }], ledger.now))
        .items;
      // Nobody had to ask for the next period at the boundary.
      expect(item).toMatchObject({ missingPeriod: null, period: SEPTEMBER, totalMs: 61_500 });
      expect(await it.budget(SEPTEMBER)).toMatchObject({ usedMs: 500 });
    }
  });

  it('the shards turn over a day, not in one look', async () => {
    const { sql: query } = ledger.connection;
    await ledger.setNow(Date.UTC(2026, 8, 29, 6));
    await check.look();
    const [row] = await query<{ made: number; all: number }[]>`
      select count(*) filter (where starts_at = '2026-10-01Z') as made,
        count(*) filter (where starts_at = '2026-09-01Z') as all
      from billing_periods where org like 'many-%'`;
    expect(row!.made).toBeGreaterThan(row!.all * 0.1);
    expect(row!.made).toBeLessThan(row!.all * 0.5);
  });
});
