import type postgres from 'postgres';
import { shardOf } from '../../../core/meter/keys.ts';
import { recountOrganization } from '../../../drizzle/queries/rebuild-counts.ts';
import type { Code } from '../check/codes.ts';
import { wrongCosts, wrongPieces } from '../check/derived-counts.ts';
import {
  type WrongDrawn,
  type WrongPeriod,
  type WrongRow,
  type WrongSession,
  wrongDays,
  wrongDrawn,
  wrongMonths,
  wrongPeriods,
  wrongSessions,
} from '../check/derived-sums.ts';
import { lockOrganizations, lockShard } from '../reads.ts';
import { raiseGeneration } from './raise-generation.ts';
import { inRepair, type LedgerFix, noteRepair, type Step } from './step.ts';

type Tx = postgres.TransactionSql;

/** Rows an entry of the audit log shows; it says how many there were in all. */
const SHOWN = 50;

function writePeriods(tx: Tx, rows: WrongPeriod[]): Promise<unknown> {
  return tx`
    update billing_periods b set used_ms = (w.real ->> 'usedMs')::bigint,
      plan_ms = (w.real ->> 'planMs')::bigint, extra_ms = (w.real ->> 'extraMs')::bigint,
      overage_ms = (w.real ->> 'overageMs')::bigint,
      billable_ms = (w.real ->> 'billableMs')::bigint, debt_ms = (w.real ->> 'debtMs')::bigint,
      sequence = b.sequence + 1
    from json_to_recordset(${JSON.stringify(rows)}::json) as w (org text, period bigint, real json)
    where b.org = w.org and b.starts_at = from_epoch_ms(w.period)`;
}

const sums = (tx: Tx) => tx`
  (w.real ->> 'usedMs')::bigint, (w.real ->> 'planMs')::bigint, (w.real ->> 'extraMs')::bigint,
  (w.real ->> 'overageMs')::bigint, (w.real ->> 'minutes')::integer`;
const given = (tx: Tx, rows: readonly WrongRow[]) => tx`
  json_to_recordset(${JSON.stringify(rows)}::json) as w (org text, "user" text, at text, real json)`;

function writeMonths(tx: Tx, rows: WrongRow[]): Promise<unknown> {
  return tx`
    insert into monthly_usage_cache as c
      (org, user_id, period, used_ms, plan_ms, extra_ms, overage_ms, minutes, sequence)
    select w.org, w."user", w.at::timestamptz, ${sums(tx)}, 1 from ${given(tx, rows)}
    on conflict (org, user_id, period) do update set used_ms = excluded.used_ms,
      plan_ms = excluded.plan_ms, extra_ms = excluded.extra_ms, overage_ms = excluded.overage_ms,
      minutes = excluded.minutes, sequence = c.sequence + 1`;
}

function writeDays(tx: Tx, rows: WrongRow[]): Promise<unknown> {
  return tx`
    insert into daily_usage (org, user_id, day, used_ms, plan_ms, extra_ms, overage_ms, minutes)
    select w.org, w."user", w.at::date, ${sums(tx)} from ${given(tx, rows)}
    on conflict (org, user_id, day) do update set used_ms = excluded.used_ms,
      plan_ms = excluded.plan_ms, extra_ms = excluded.extra_ms, overage_ms = excluded.overage_ms,
      minutes = excluded.minutes`;
}

/** Rule 16: closed only while the sum is the total less its overshoot. */
function writeSessions(tx: Tx, rows: WrongSession[]): Promise<unknown> {
  return tx`
    update sessions s set settled_ms = w."realMs",
      recorded_ms = greatest(s.recorded_ms, w."realMs" + s.overshoot_ms),
      state = case when s.state = 'live' then 'live'
        when w."realMs" + s.overshoot_ms >= s.recorded_ms then 'closed' else 'ended' end
    from json_to_recordset(${JSON.stringify(rows)}::json)
      as w (org text, session text, "realMs" bigint)
    where s.org = w.org and s.id = w.session`;
}

function writeDrawn(tx: Tx, rows: WrongDrawn[]): Promise<unknown> {
  return tx`
    update organizations o set drawn_ms = w."realMs", drawn_sequence = o.drawn_sequence + 1
    from json_to_recordset(${JSON.stringify(rows)}::json) as w (org text, "realMs" bigint)
    where o.id = w.org`;
}

interface Changed {
  /** `rebuild.months`: what of it, as the audit log names it after the area */
  action: string;
  rows: number;
}

interface Found {
  action: string;
  wrong(tx: Tx, orgs: string[]): Promise<{ org: string }[]>;
}

interface Derived extends Found {
  /** whether the meter counts with it: then it must hear of the change */
  isCounted: boolean;
  rebuild(tx: Tx, org: string): Promise<{ org: string }[]>;
}

const derived = <Row extends { org: string }>(
  action: string,
  isCounted: boolean,
  wrong: (tx: Tx, orgs: string[]) => Promise<Row[]>,
  write: (tx: Tx, rows: Row[]) => Promise<unknown>,
): Derived => ({
  action,
  isCounted,
  wrong,
  async rebuild(tx, org) {
    const rows = await wrong(tx, [org]);
    if (rows.length > 0) await write(tx, rows);
    return rows;
  },
});

const DERIVED: readonly Derived[] = [
  derived('rebuild.periods', true, wrongPeriods, writePeriods),
  derived('rebuild.months', true, wrongMonths, writeMonths),
  derived('rebuild.days', false, wrongDays, writeDays),
  derived('rebuild.sessions', true, wrongSessions, writeSessions),
  derived('rebuild.drawn', true, wrongDrawn, writeDrawn),
];
const COUNTED: readonly Found[] = [
  { action: 'rebuild.pieces', wrong: wrongPieces },
  { action: 'rebuild.costs', wrong: wrongCosts },
];

/**
 * Adds an organization's minutes up again, all that is derived of them at once, under the lock of its
 * shard: nobody settles meanwhile. Reads the lots' burns, and writes neither them nor the lots.
 * Where the meter counts with what was wrong, its shard is recovered: it takes the sums from there.
 * Then pieces and costs are counted again, under locks of their own.
 */
export function rebuildDerived(fix: LedgerFix, org: string, codes: Code[]): Step {
  return {
    title: `add up what is derived of ${org} again`,
    codes,
    async run() {
      const done = await rebuildOrganization(fix, org);
      if (done.length === 0) return null;
      return `${org}: ${done.map(({ rows, action }) => `${rows} by ${action}`).join(', ')}`;
    },
  };
}

/** The same; answers how many rows of what were changed. */
export async function rebuildOrganization(fix: LedgerFix, org: string): Promise<Changed[]> {
  const sums = await rebuildSums(fix, org);
  return [...sums, ...(await recountOrganization(fix.db, org, fix))];
}

function rebuildSums(fix: LedgerFix, org: string): Promise<Changed[]> {
  return inRepair(fix.sql, async (tx) => {
    const shard = shardOf(org);
    await lockShard(tx, shard);
    await lockOrganizations(tx, [org]);
    const done: Changed[] = [];
    let mustTell = false;
    for (const { action, isCounted, rebuild } of DERIVED) {
      const rows = await rebuild(tx, org);
      if (rows.length === 0) continue;
      done.push({ action, rows: rows.length });
      mustTell ||= isCounted;
      const detail = { rows: rows.length, changed: rows.slice(0, SHOWN) };
      await noteRepair(tx, fix, { action, org, detail });
    }
    const why = done.map(({ rows, action }) => `${rows} by ${action}`);
    if (mustTell) await raiseGeneration(tx, shard, fix, why);
    return done;
  });
}

/** What `rebuildOrganization` would change, of many: by what, and of whom how many rows. */
export async function findDerived(tx: Tx, orgs: string[]): Promise<(Changed & { org: string })[]> {
  const found: (Changed & { org: string })[] = [];
  for (const { action, wrong } of [...DERIVED, ...COUNTED]) {
    const counts = new Map<string, number>();
    for (const { org } of await wrong(tx, orgs)) counts.set(org, (counts.get(org) ?? 0) + 1);
    for (const [org, rows] of counts) found.push({ org, action, rows });
  }
  return found;
}
