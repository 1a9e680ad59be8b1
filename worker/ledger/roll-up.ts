import type postgres from 'postgres';
import { periodKey, sessionKey } from './grouping.ts';
import type { GrownMinute } from './writes.ts';

type Sql = postgres.TransactionSql;

/** What minutes grew by, added up over those that share a row of the derived sums. */
interface Sum {
  org: string;
  session: string;
  user: string;
  period: number;
  day: string;
  ms: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  billableMs: number;
  debtMs: number;
  /** records that begin here */
  minutes: number;
}

/** Added up here, since a row that Postgres has to read from JSON costs more than it to write. */
function sumsOf(grown: readonly GrownMinute[], key: (it: GrownMinute) => string): Sum[] {
  const sums = new Map<string, Sum>();
  for (const it of grown) {
    const { growth } = it;
    const name = key(it);
    const sum = sums.get(name);
    if (sum === undefined) {
      const { org, session, user, period, day } = it;
      const { lots: _, ...parts } = growth;
      sums.set(name, { org, session, user, period, day, ...parts, minutes: it.begins ? 1 : 0 });
      continue;
    }
    sum.ms += growth.ms;
    sum.planMs += growth.planMs;
    sum.extraMs += growth.extraMs;
    sum.overageMs += growth.overageMs;
    sum.billableMs += growth.billableMs;
    sum.debtMs += growth.debtMs;
    sum.minutes += it.begins ? 1 : 0;
  }
  return [...sums.values()];
}

/**
 * Adds the growths to the sums that are kept of periods, members, days and sessions.
 * @param now meter instant, as of which a period's sums stand
 */
export function rollUp(tx: Sql, grown: readonly GrownMinute[], now: number): Promise<unknown>[] {
  if (grown.length === 0) return [];
  const rows = (key: (it: GrownMinute) => string) => tx`
    json_to_recordset(${JSON.stringify(sumsOf(grown, key))}::json) as w (org text, session text,
      period bigint, "user" text, day date, minutes integer, ms bigint, "planMs" bigint,
      "extraMs" bigint, "overageMs" bigint, "billableMs" bigint, "debtMs" bigint)`;
  return [
    tx`
      update billing_periods b set used_ms = b.used_ms + w.ms, plan_ms = b.plan_ms + w."planMs",
        extra_ms = b.extra_ms + w."extraMs", overage_ms = b.overage_ms + w."overageMs",
        billable_ms = b.billable_ms + w."billableMs", debt_ms = b.debt_ms + w."debtMs",
        sequence = b.sequence + 1,
        settled_at = greatest(b.settled_at, from_epoch_ms(${Math.floor(now)}))
      from ${rows(periodKey)} where b.org = w.org and b.starts_at = from_epoch_ms(w.period)`,
    tx`
      insert into monthly_usage_cache as c (org, user_id, period, used_ms, plan_ms, extra_ms,
        overage_ms, minutes, sequence)
      select org, "user", from_epoch_ms(period), ms, "planMs", "extraMs", "overageMs", minutes, 1
      from ${rows((it) => `${periodKey(it)}|${it.user}`)}
      on conflict (org, user_id, period) do update set used_ms = c.used_ms + excluded.used_ms,
        plan_ms = c.plan_ms + excluded.plan_ms, extra_ms = c.extra_ms + excluded.extra_ms,
        overage_ms = c.overage_ms + excluded.overage_ms, minutes = c.minutes + excluded.minutes,
        sequence = c.sequence + 1`,
    tx`
      insert into daily_usage as d (org, user_id, day, used_ms, plan_ms, extra_ms, overage_ms,
        minutes)
      select org, "user", day, ms, "planMs", "extraMs", "overageMs", minutes
      from ${rows((it) => `${it.org}|${it.user}|${it.day}`)}
      on conflict (org, user_id, day) do update set used_ms = d.used_ms + excluded.used_ms,
        plan_ms = d.plan_ms + excluded.plan_ms, extra_ms = d.extra_ms + excluded.extra_ms,
        overage_ms = d.overage_ms + excluded.overage_ms, minutes = d.minutes + excluded.minutes`,
    tx`
      update sessions s set settled_ms = settled_ms + w.ms,
        recorded_ms = greatest(recorded_ms, settled_ms + w.ms + overshoot_ms),
        state = case when state = 'closed' then 'ended' else state end
      from ${rows(sessionKey)} where s.org = w.org and s.id = w.session`,
  ];
}
