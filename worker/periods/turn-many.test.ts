/**
 * Five thousand organizations that turn at one instant, some of them recording: how long the check
 * takes, and how much it asks of the stores. In full with `TURN_MANY=5000`; in the suite the short form
 * of worker/jobs/period-check.test.ts stands for it.
 */
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPeriodCheck } from '../jobs/period-check.ts';
import { createTestLedger, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { createPace } from './pace.ts';

const COUNT = Number(process.env.TURN_MANY ?? 0);
const LIVE = Math.floor(COUNT / 20);
const SEPTEMBER = Date.UTC(2026, 8, 1);

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

it.runIf(COUNT > 0)(
  'turn without a stampede',
  async () => {
    const { db } = ledger.connection;
    const client = ledger.connection.sql;
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
    const gaps: number[] = [];
    let since = performance.now();
    const paced = createPace({ leastMs: 60, jitterMs: 80, random: Math.random });
    const pace = {
      async pause() {
        gaps.push(performance.now() - since);
        await paced.pause();
        since = performance.now();
      },
    };
    const context = ledger.context;
    const check = createPeriodCheck({ context, everyMs: MINUTE_MS, pace });
    const stat = async () =>
      (
        await client<{ commits: number }[]>`
          select xact_commit::int as commits from pg_stat_database where datname = current_database()`
      )[0]!.commits;
    const calls = async () =>
      Number(/total_commands_processed:(\d+)/.exec(await ledger.redis.redis.info('stats'))![1]);
    const [commits, commands] = [await stat(), await calls()];
    const startedAt = performance.now();
    const work = await check.look();
    const tookMs = Math.round(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const most = Math.round(Math.max(...gaps));
    const redis = (await calls()) - commands;
    const postgres = (await stat()) - commits;
    console.log(
      JSON.stringify({ COUNT, LIVE, work, tookMs, pauses: gaps.length, most, postgres, redis }),
    );
    expect(work.ahead).toBeGreaterThanOrEqual(COUNT);
    expect(work.told).toBe(LIVE);
    await ledger.setNow(SEPTEMBER + 500);
    const turnedAt = performance.now();
    for (const it of live) await it.beat('s', 61_000);
    console.log(JSON.stringify({ turnMs: Math.round(performance.now() - turnedAt) }));
  },
  600_000,
);
