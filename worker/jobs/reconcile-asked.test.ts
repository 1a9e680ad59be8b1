/** One organization, compared and repaired because somebody asked by the API. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReconcileResult } from '../ledger/fix/reconcile.ts';
import { settleAll } from '../ledger/test-rows.ts';
import { recover } from '../recovery/recover.ts';
import { createTestLedger, MAY, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { answerReconcile } from './reconcile-asked.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
  await ledger.setNow(MAY + 10 * 24 * 60 * MINUTE_MS);
});
afterAll(() => ledger.stop());

/** Asks, and lets the worker's other jobs go on meanwhile. */
async function ask(org: string, shard: number): Promise<ReconcileResult> {
  const { sql } = ledger.connection;
  const id = randomUUID();
  await sql`insert into reconciles (id, org, actor) values (${id}, ${org}, 'key:k')`;
  let isOver = false;
  const recovering = (async () => {
    while (!isOver) {
      await recover(ledger.context, [shard]);
      await sleep(50);
    }
  })();
  expect(await answerReconcile(ledger.context)).toBe(true);
  isOver = true;
  await recovering;
  const [row] = await sql<{ result: ReconcileResult; done: boolean }[]>`
    select result, done_at is not null as done from reconciles where id = ${id}`;
  expect(row!.done).toBe(true);
  return row!.result;
}

it('finds what differs, repairs it, looks again, and writes down what it did', async () => {
  const { sql } = ledger.connection;
  const acme = await ledger.account({ plan: { quotaMs: 60 * MINUTE_MS } });
  await acme.open('s1');
  await acme.record('s1', 90_000);
  await acme.beat('s1', 90_000, 'paused');
  await settleAll(ledger, acme);
  expect(await ask(acme.org, acme.shard)).toMatchObject({
    ...{ found: [], changed: [], left: [], isWell: true },
  });
  const minutes = () => sql`select * from usage_tracking where org = ${acme.org} order by minute`;
  const before = JSON.stringify(await minutes());
  await sql`update billing_periods set used_ms = used_ms + 9, plan_ms = plan_ms + 9
    where org = ${acme.org}`;
  await sql`update daily_usage set used_ms = 1, plan_ms = 1 where org = ${acme.org}`;
  const result = await ask(acme.org, acme.shard);
  const codes = result.found.map((it) => it.code).sort();
  // The live counter is right, and the ledger it is held against is not.
  expect(codes).toEqual(['dailyUsage', 'drift', 'periodSums']);
  expect(result).toMatchObject({ left: [], isWell: true });
  expect(result.changed.length).toBeGreaterThan(0);
  expect(JSON.stringify(await minutes())).toBe(before);
  const [period] = await sql`select used_ms from billing_periods where org = ${acme.org}`;
  expect(period).toEqual({ used_ms: 90_000 });
  await acme.assert();
  expect(await acme.budgetIfThere(MAY)).toMatchObject({ usedMs: 90_000 });
  const audit = await sql<{ action: string; actor: string }[]>`
    select action, actor from audit_log where org = ${acme.org} order by id`;
  expect(audit).toEqual([
    { action: 'reconcile.rebuild.periods', actor: 'key:k' },
    { action: 'reconcile.rebuild.days', actor: 'key:k' },
  ]);
  expect(await answerReconcile(ledger.context)).toBe(false);
});

it('counts pieces and costs again, which are of no minute', async () => {
  const { sql } = ledger.connection;
  const acme = await ledger.account();
  await sql`
    insert into usage_quotas (org, user_id, feature, per, starts_at, ends_at, used)
    values (${acme.org}, '', 'export', 'day', '2026-05-20', '2026-05-21', 2)`;
  await sql`insert into daily_costs (org, day, cost_micros) values (${acme.org}, '2026-05-20', 7)`;
  const result = await ask(acme.org, acme.shard);
  expect(result.found.map((it) => it.code)).toEqual(['pieceCounts', 'dailyCosts']);
  expect(result.changed.map((it) => it.codes)).toEqual([['pieceCounts', 'dailyCosts']]);
  expect(result).toMatchObject({ left: [], isWell: true });
  const [quota] = await sql`select used from usage_quotas where org = ${acme.org}`;
  expect(quota).toEqual({ used: 0 });
  const audit = await sql`
    select action, actor from audit_log where org = ${acme.org} order by id`;
  expect(audit).toEqual([
    { action: 'reconcile.rebuild.pieces', actor: 'key:k' },
    { action: 'reconcile.rebuild.costs', actor: 'key:k' },
  ]);
  expect(await ask(acme.org, acme.shard)).toMatchObject({ found: [], changed: [] });
});

it('two workers share what is asked for, each once', async () => {
  const { sql } = ledger.connection;
  const acme = await ledger.account();
  for (let i = 0; i < 4; i++) {
    await sql`insert into reconciles (id, org, actor) values (${randomUUID()}, ${acme.org}, 'k')`;
  }
  const two = async () => {
    let done = 0;
    while (await answerReconcile(ledger.context)) done += 1;
    return done;
  };
  const done = await Promise.all([two(), two()]);
  expect(done[0]! + done[1]!).toBe(4);
  const [row] = await sql<{ left: number }[]>`
    select count(*) as left from reconciles where done_at is null`;
  expect(row!.left).toBe(0);
});
