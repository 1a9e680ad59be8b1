import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import { recountOrganization } from '../../drizzle/queries/rebuild-counts.ts';
import { nextCountSlice } from '../ledger/check/count-slice.ts';
import { lookAtShard } from '../ledger/check/shard-look.ts';
import { inSnapshot } from '../ledger/check/snapshot.ts';
import { settle } from '../ledger/settle.ts';
import { createTestLedger, JUNE, MAY, MINUTE_MS, type TestLedger } from '../test-ledger.ts';
import { createReconciler } from './reconcile.ts';

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.stop());

/** The live counters of these say so much more than they do. */
function corrupted(budgets: readonly string[], ms: number) {
  return {
    ...ledger.meter,
    readBudgets: async (org: string, names: string[]) => {
      const reply = await ledger.meter.readBudgets(org, names);
      if (reply.status !== 'ok') return reply;
      const raised = reply.budgets.map((row) =>
        budgets.includes(row.name) ? { ...row, usedMs: row.usedMs + ms } : row,
      );
      return { ...reply, budgets: raised };
    },
  };
}

describe('drift', () => {
  it('is zero while time is open, unsettled, settled, across a month and after an end', async () => {
    const acme = await ledger.account({ plan: { quotaMs: 3 * MINUTE_MS } });
    const drift = async () => {
      const look = await lookAtShard(ledger.context, acme.shard);
      // All four: of both periods, the organization's and both members'.
      expect(look!.judged.length).toBeGreaterThanOrEqual(3);
      return look!.findings;
    };
    await ledger.setNow(JUNE - 2 * MINUTE_MS);
    await acme.open('s1');
    await acme.open('s2', 'bob');
    for (let i = 1; i <= 6; i++) {
      await ledger.advance(30_000);
      await acme.beat('s1', i * 30_000);
      await acme.beat('s2', i * 10_000, i === 3 ? 'paused' : 'recording');
      expect(await drift()).toEqual([]);
      if (i % 2 === 0) await settle(ledger.context, acme.shard, { limit: 3 });
      expect(await drift()).toEqual([]);
    }
    await acme.close('s1', 6 * 30_000);
    expect(await drift()).toEqual([]);
    await settle(ledger.context, acme.shard, { limit: 100 });
    expect(await drift()).toEqual([]);
  });

  it('finds what the meter has too much, of an organization and of a member', async () => {
    const acme = await ledger.account();
    await ledger.setNow(MAY + MINUTE_MS);
    await acme.open('s1');
    await ledger.advance(MINUTE_MS);
    await acme.beat('s1', MINUTE_MS);
    await settle(ledger.context, acme.shard, { limit: 100 });
    const budgets = [organizationBudget(acme.org, MAY), memberBudget(acme.org, 'alice', MAY)];
    const meter = corrupted(budgets, 7);
    const look = await lookAtShard({ ...ledger.context, meter }, acme.shard);
    const drifts = look!.findings.filter((it) => it.code === 'drift');
    expect(drifts.map((it) => [it.subject, it.figures.driftMs])).toEqual(
      expect.arrayContaining(budgets.map((budget) => [budget, 7])),
    );
  });

  it('does not judge a budget that moves while it is looked at', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await acme.record('s1', MINUTE_MS);
    let reads = 0;
    const meter = {
      ...ledger.meter,
      readBudgets: async (org: string, names: string[]) => {
        const reply = await ledger.meter.readBudgets(org, names);
        reads += 1;
        if (reads === 1) await acme.record('s1', 1_000);
        return reply;
      },
    };
    const look = await lookAtShard({ ...ledger.context, meter }, acme.shard);
    expect(look!.judged).not.toContain(organizationBudget(acme.org, MAY));
    expect(look!.findings.filter((it) => it.org === acme.org)).toEqual([]);
  });
});

describe('the running check', () => {
  it('believes only what two looks agree on', async () => {
    const acme = await ledger.account();
    await acme.open('s1');
    await acme.record('s1', MINUTE_MS);
    let reads = 0;
    const meter = {
      ...ledger.meter,
      readBudgets: async (org: string, names: string[]) => {
        reads += Number(names.some((it) => it.includes(acme.org)));
        // Twice a look: all the first one sees is 5 ms too much, the second one 6.
        const wrong = reads <= 2 ? 5 : 6;
        const budget = organizationBudget(acme.org, MAY);
        return corrupted(reads <= 4 ? [budget] : [], wrong).readBudgets(org, names);
      },
    };
    const context = { ...ledger.context, meter };
    const reconciler = createReconciler({ context, everyMs: 30_000, log: context.log });
    await reconciler.tick();
    expect(reads).toBeGreaterThanOrEqual(4);
    expect(reconciler.known.all().filter((it) => it.org === acme.org)).toEqual([]);
  });

  it('sees idle organizations in their turn, tells once, and tells when it is gone', async () => {
    const acme = await ledger.account();
    await acme.open('idle');
    await acme.record('idle', MINUTE_MS);
    await acme.close('idle', MINUTE_MS);
    await settle(ledger.context, acme.shard, { limit: 100 });
    const told: string[] = [];
    const say = (fields: { code?: string; org?: string }) => {
      if (fields.org === acme.org) told.push(fields.code!);
    };
    const log = { ...ledger.context.log, error: say, info: say } as typeof ledger.context.log;
    const budget = organizationBudget(acme.org, MAY);
    const context = { ...ledger.context, meter: corrupted([budget], -9) };
    const reconciler = createReconciler({ context, everyMs: 30_000, log });
    await ledger.connection.sql`
      update monthly_usage_cache set used_ms = used_ms + 1, plan_ms = plan_ms + 1
      where org = ${acme.org}`;
    const mine = () => reconciler.known.all().filter((it) => it.org === acme.org);
    const checked = await reconciler.tick();
    expect(mine().map((it) => it.code)).toEqual(expect.arrayContaining(['drift', 'monthlyCache']));
    expect(checked.findings.get('monthlyCache')).toBeGreaterThanOrEqual(1);
    expect(checked.driftMs).toBeGreaterThanOrEqual(9);
    expect(checked.roundMs).not.toBeNull();
    const once = told.length;
    await reconciler.tick();
    expect(told.length).toBe(once);
    await ledger.connection.sql`
      update monthly_usage_cache set used_ms = used_ms - 1, plan_ms = plan_ms - 1
      where org = ${acme.org}`;
    context.meter = ledger.meter;
    await reconciler.tick();
    expect(mine()).toEqual([]);
    expect(told.length).toBe(2 * once);
  });

  it('sees counts of pieces and costs of days that are wrong or missing, where they count now', async () => {
    const { sql } = ledger.connection;
    const acme = await ledger.account();
    await ledger.setNow(MAY + 20 * 24 * 60 * MINUTE_MS);
    // Of today and yesterday; and of a day that is long over, which is the doctor's.
    for (const day of ['2026-05-21', '2026-05-20', '2026-05-10']) {
      await sql`
        insert into feature_consumptions
          (org, id, user_id, feature, quantity, day_starts_at, month_starts_at, actor, consumed_at)
        values (${acme.org}, gen_random_uuid(), 'ann', 'export', 2, ${day}, '2026-05-01', 'k', ${day})`;
      await sql`
        insert into usage_events (org, id, kind, quantity, cost_micros, day, occurred_at, recorded_at)
        values (${acme.org}, ${`e-${day}`}, 'tokens', 1, 5, ${day}, ${day}, ${day})`;
      await sql`
        insert into usage_quotas (org, user_id, feature, per, starts_at, ends_at, used)
        values (${acme.org}, '', 'export', 'day', ${day}, ${day}::date + 1, 3)`;
    }
    await sql`
      insert into usage_quotas (org, user_id, feature, per, starts_at, ends_at, used)
      values (${acme.org}, '', 'export', 'month', '2026-05-01', '2026-06-01', 6)`;
    const { log } = ledger.context;
    const reconciler = createReconciler({ context: ledger.context, everyMs: 30_000, log });
    const mine = () => reconciler.known.all().filter((it) => it.org === acme.org);
    const checked = await reconciler.tick();
    expect(mine().map(({ code, figures: { stored, real } }) => [code, stored, real])).toEqual([
      ...[
        ['pieceCounts', 3, 2],
        ['pieceCounts', 3, 2],
      ],
      ...[
        ['pieceCounts', null, 2],
        ['pieceCounts', null, 2],
        ['pieceCounts', null, 6],
      ],
      ...[
        ['dailyCosts', undefined, undefined],
        ['dailyCosts', undefined, undefined],
      ],
    ]);
    expect(checked.findings.get('pieceCounts')).toBe(5);
    expect(checked.findings.get('dailyCosts')).toBe(2);
    expect(checked.roundMs).not.toBeNull();
    await recountOrganization(ledger.connection.db, acme.org, { actor: 'tester', area: 'test' });
    expect((await reconciler.tick()).findings.get('pieceCounts')).toBeUndefined();
    expect(mine()).toEqual([]);
  });

  it('takes as many organizations at a time as their present pieces and events allow', async () => {
    const { sql } = ledger.connection;
    await ledger.setNow(MAY + 20 * 24 * 60 * MINUTE_MS);
    const orgs: string[] = [];
    for (const events of [3, 1, 1, 0]) {
      const { org } = await ledger.account();
      orgs.push(org);
      await sql`
        insert into usage_events (org, id, kind, quantity, cost_micros, day, occurred_at, recorded_at)
        select ${org}, 'e' || i, 'k', 1, 0, '2026-05-20', now(), now()
        from generate_series(1, ${events}::int) i`;
      // Long over: it is not looked at, and does not count here.
      await sql`
        insert into usage_events (org, id, kind, quantity, cost_micros, day, occurred_at, recorded_at)
        select ${org}, 'old' || i, 'k', 1, 0, '2026-05-01', now(), now() from generate_series(1, 9) i`;
    }
    const seen: string[] = [];
    const when = { now: ledger.now, speed: 1 };
    let largest = 0;
    for (let after: string | null = ''; after !== null; ) {
      const from: string = after;
      const limits = { organizations: 3, rows: 2 };
      const slice = await inSnapshot(sql, (tx) => nextCountSlice(tx, from, limits, when));
      if (slice.orgs.length > 1) largest = Math.max(largest, slice.rows);
      seen.push(...slice.orgs);
      after = slice.after;
    }
    expect(largest).toBeLessThanOrEqual(2);
    const all = await sql<{ id: string }[]>`select id from organizations order by id`;
    expect(seen).toEqual(all.map(({ id }) => id));
    expect(seen).toEqual(expect.arrayContaining(orgs));
  });
});
