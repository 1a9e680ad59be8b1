/** Rebuilding what is derived, and comparing it with the truth, while everything goes on. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recover } from '../../recovery/recover.ts';
import { createTestLedger, MAY, MINUTE_MS, type TestLedger } from '../../test-ledger.ts';
import { inSnapshot } from '../check/snapshot.ts';
import { settle } from '../settle.ts';
import { findDerived, rebuildOrganization } from './rebuild.ts';

const SESSIONS = ['s1', 's2', 's3'];
const ROUNDS = 24;

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
  await ledger.setNow(MAY + 10 * 24 * 60 * MINUTE_MS);
});
afterAll(() => ledger.stop());

async function rebuild(org: string): Promise<number> {
  const { sql, db } = ledger.connection;
  const done = await rebuildOrganization({ sql, db, actor: 'tester', area: 'operator' }, org);
  return done.reduce((sum, it) => sum + it.rows, 0);
}

it('under load: what was broken is right, and no increment is lost', async () => {
  const { sql } = ledger.connection;
  const acme = await ledger.account({ plan: { quotaMs: 3 * MINUTE_MS, atLimit: 'overage' } });
  await acme.give(4 * MINUTE_MS);
  for (const session of SESSIONS) await acme.open(session);
  let isOver = false;
  let settled = 0;
  const settling = (async () => {
    while (!isOver) {
      const outcome = await settle(ledger.context, acme.shard, { limit: 5 });
      if (outcome.status === 'recover') {
        await recover(ledger.context, [acme.shard]);
        // Rebuilt again in between: the next look finds it, and it is asserted anew.
        await acme.assert().catch((error: Error) => {
          if (!/: (staleGeneration|recover)$/.test(error.message)) throw error;
        });
      } else settled += outcome.committed;
    }
  })();
  let rebuilt = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await ledger.advance(20_000);
    for (const session of SESSIONS) {
      const { totalMs } = await acme.session(session).catch(() => ({ totalMs: -1 }));
      // Its shard is being recovered: it says so next time.
      if (totalMs < 0) continue;
      await acme.beat(session, (round + 1) * 20_000, 'paused').catch(() => {});
    }
    if (round % 4 === 1) {
      await sql`update daily_usage set used_ms = used_ms + 5, plan_ms = plan_ms + 5
        where org = ${acme.org}`;
      await sql`update monthly_usage_cache set used_ms = used_ms + 7, overage_ms = overage_ms + 7
        where org = ${acme.org}`;
      await sql`update billing_periods set used_ms = used_ms + 9, plan_ms = plan_ms + 9
        where org = ${acme.org}`;
    }
    rebuilt += await rebuild(acme.org);
  }
  isOver = true;
  await settling;
  await recover(ledger.context, [acme.shard]);
  await acme.assert();
  for (const session of SESSIONS) await acme.close(session, ROUNDS * 20_000);
  while ((await acme.pending()).length > 0) await settle(ledger.context, acme.shard, { limit: 50 });
  expect(rebuilt).toBeGreaterThan(5);
  expect(settled).toBeGreaterThan(10);
  expect(await inSnapshot(sql, (tx) => findDerived(tx, [acme.org]))).toEqual([]);
  const [truth] = await sql<Record<string, number>[]>`
    select (select sum(ms)::bigint from usage_tracking where org = ${acme.org}) as minutes,
      (select used_ms from billing_periods where org = ${acme.org} and used_ms > 0) as period,
      (select sum(used_ms)::bigint from monthly_usage_cache where org = ${acme.org}) as months,
      (select sum(used_ms)::bigint from daily_usage where org = ${acme.org}) as days,
      (select sum(settled_ms)::bigint from sessions where org = ${acme.org}) as sessions,
      (select drawn_ms from organizations where id = ${acme.org}) as drawn,
      (select sum(used_ms)::bigint from extra_minutes_purchases where org = ${acme.org}) as lots`;
  const all = SESSIONS.length * ROUNDS * 20_000;
  expect(truth).toMatchObject({ minutes: all, period: all, months: all, days: all, sessions: all });
  expect([truth!.drawn, truth!.lots]).toEqual([4 * MINUTE_MS, 4 * MINUTE_MS]);
});
