import type postgres from 'postgres';
import type { AlertChange, SessionChange } from './batch.ts';
import type { StoredMinute } from './reads.ts';

type Sql = postgres.TransactionSql;

/** A minute as it shall be stored, and what it grew by. */
export interface GrownMinute extends StoredMinute {
  month: string;
  user: string;
  /** it is new, and no record of an earlier period holds its beginning */
  begins: boolean;
  growth: { ms: number; planMs: number; extraMs: number; overageMs: number } & {
    billableMs: number;
    debtMs: number;
    lots: { purchase: string; ms: number }[];
  };
}

/**
 * Larger figures count, an end stays an end, and a session keeps the month it once got, which names
 * the partition of its minutes. A late total of a closed session opens it again.
 */
export function upsertSessions(
  tx: Sql,
  generation: number,
  sessions: SessionChange[],
): Promise<{ org: string; session: string; month: string }[]> {
  return tx<{ org: string; session: string; month: string }[]>`
    insert into sessions as s (org, id, user_id, started_at, start_month, first_period, last_period,
      state, ended_at, reason, stopped_by, recorded_ms, overshoot_ms, generation)
    select org, session, "user", from_epoch_ms("startedAt"), "startMonth",
      from_epoch_ms("firstPeriod"), from_epoch_ms("lastPeriod"),
      case when "endedAt" is null then 'live' else 'ended' end, from_epoch_ms("endedAt"),
      case when "endedAt" is not null then reason end, "stoppedBy", "recordedMs", "overshootMs",
      ${generation}
    from json_to_recordset(${JSON.stringify(sessions)}::json) as w (org text, session text,
      "user" text, "startedAt" bigint, "startMonth" date, "firstPeriod" bigint,
      "lastPeriod" bigint, "endedAt" bigint, reason text, "stoppedBy" text, "recordedMs" bigint,
      "overshootMs" bigint)
    order by org, session
    on conflict (org, id) do update set
      first_period = least(s.first_period, excluded.first_period),
      last_period = greatest(s.last_period, excluded.last_period),
      overshoot_ms = greatest(s.overshoot_ms, excluded.overshoot_ms),
      recorded_ms = greatest(s.recorded_ms, excluded.recorded_ms,
        s.settled_ms + greatest(s.overshoot_ms, excluded.overshoot_ms)),
      state = case when s.state = 'live' then excluded.state
                   when excluded.recorded_ms > s.recorded_ms
                     or excluded.overshoot_ms > s.overshoot_ms then 'ended'
                   else s.state end,
      ended_at = coalesce(s.ended_at, excluded.ended_at),
      reason = coalesce(s.reason, excluded.reason),
      stopped_by = coalesce(s.stopped_by, excluded.stopped_by),
      generation = greatest(s.generation, excluded.generation)
    returning org, id as session, start_month::text as month`;
}

export async function writeMinutes(tx: Sql, minutes: GrownMinute[]): Promise<void> {
  await tx`
    insert into usage_tracking (session_month, org, session, minute, period, user_id, day, ms,
      plan_ms, extra_ms, overage_ms, billable_ms, debt_ms)
    select month, org, session, minute, from_epoch_ms(period), "user", day, ms, "planMs", "extraMs",
      "overageMs", "billableMs", "debtMs"
    from json_to_recordset(${JSON.stringify(minutes)}::json) as w (month date, org text,
      session text, minute integer, period bigint, "user" text, day date, ms integer,
      "planMs" integer, "extraMs" integer, "overageMs" integer, "billableMs" integer,
      "debtMs" integer)
    on conflict (session_month, org, session, minute, period) do update set
      ms = excluded.ms, plan_ms = excluded.plan_ms, extra_ms = excluded.extra_ms,
      overage_ms = excluded.overage_ms, billable_ms = excluded.billable_ms,
      debt_ms = excluded.debt_ms, written_at = now()`;
}

/** Which minute burnt which lot, and the lots themselves. */
export async function writeBurns(tx: Sql, minutes: GrownMinute[]): Promise<void> {
  const burns = minutes.flatMap(({ month, org, session, minute, period, growth }) =>
    growth.lots.map((lot) => ({ month, org, session, minute, period, ...lot })),
  );
  if (burns.length === 0) return;
  const json = JSON.stringify(burns);
  await tx`
    insert into extra_minutes_usage as u
      (session_month, org, session, minute, period, purchase, ms)
    select month, org, session, minute, from_epoch_ms(period), purchase, ms
    from json_to_recordset(${json}::json) as w (month date, org text, session text,
      minute integer, period bigint, purchase text, ms integer)
    on conflict (session_month, org, session, minute, period, purchase)
      do update set ms = u.ms + excluded.ms`;
  await tx`
    update extra_minutes_purchases p set used_ms = used_ms + w.ms
    from (select purchase, sum(ms) as ms
      from json_to_recordset(${json}::json) as w (purchase text, ms bigint) group by purchase) w
    where p.id = w.purchase`;
  await tx`
    update organizations o set drawn_ms = drawn_ms + w.ms, drawn_sequence = drawn_sequence + 1
    from (select org, sum(ms) as ms
      from json_to_recordset(${json}::json) as w (org text, ms bigint) group by org) w
    where o.id = w.org`;
}

/** Adds the growths to the sums that are kept of periods, members, days and sessions. */
export async function rollUp(tx: Sql, minutes: GrownMinute[]): Promise<void> {
  if (minutes.length === 0) return;
  const json = JSON.stringify(
    minutes.map(({ org, session, period, user, day, begins, growth }) => {
      const { lots: _, ...parts } = growth;
      return { org, session, period, user, day, begins: begins ? 1 : 0, ...parts };
    }),
  );
  const rows = tx`json_to_recordset(${json}::json) as w (org text, session text, period bigint,
    "user" text, day date, begins integer, ms bigint, "planMs" bigint, "extraMs" bigint,
    "overageMs" bigint, "billableMs" bigint, "debtMs" bigint)`;
  await tx`
    update billing_periods b set used_ms = b.used_ms + w.ms, plan_ms = b.plan_ms + w.plan,
      extra_ms = b.extra_ms + w.extra, overage_ms = b.overage_ms + w.overage,
      billable_ms = b.billable_ms + w.billable, debt_ms = b.debt_ms + w.debt,
      sequence = b.sequence + 1
    from (select org, period, sum(ms) as ms, sum("planMs") as plan, sum("extraMs") as extra,
        sum("overageMs") as overage, sum("billableMs") as billable, sum("debtMs") as debt
      from ${rows} group by org, period) w
    where b.org = w.org and b.starts_at = from_epoch_ms(w.period)`;
  await tx`
    insert into monthly_usage_cache as c (org, user_id, period, used_ms, plan_ms, extra_ms,
      overage_ms, minutes, sequence)
    select org, "user", from_epoch_ms(period), sum(ms), sum("planMs"), sum("extraMs"),
      sum("overageMs"), sum(begins), 1
    from ${rows} group by org, "user", period
    on conflict (org, user_id, period) do update set used_ms = c.used_ms + excluded.used_ms,
      plan_ms = c.plan_ms + excluded.plan_ms, extra_ms = c.extra_ms + excluded.extra_ms,
      overage_ms = c.overage_ms + excluded.overage_ms, minutes = c.minutes + excluded.minutes,
      sequence = c.sequence + 1`;
  await tx`
    insert into daily_usage as d (org, user_id, day, used_ms, plan_ms, extra_ms, overage_ms, minutes)
    select org, "user", day, sum(ms), sum("planMs"), sum("extraMs"), sum("overageMs"), sum(begins)
    from ${rows} group by org, "user", day
    on conflict (org, user_id, day) do update set used_ms = d.used_ms + excluded.used_ms,
      plan_ms = d.plan_ms + excluded.plan_ms, extra_ms = d.extra_ms + excluded.extra_ms,
      overage_ms = d.overage_ms + excluded.overage_ms, minutes = d.minutes + excluded.minutes`;
  await tx`
    update sessions s set settled_ms = settled_ms + w.ms,
      recorded_ms = greatest(recorded_ms, settled_ms + w.ms + overshoot_ms),
      state = case when state = 'closed' then 'ended' else state end
    from (select org, session, sum(ms) as ms from ${rows} group by org, session) w
    where s.org = w.org and s.id = w.session`;
}

/** Rule 16: an ended session is closed when its minutes come to its total less its overshoot. */
export async function closeSessions(
  tx: Sql,
  sessions: { org: string; session: string }[],
): Promise<void> {
  await tx`
    update sessions s set state = 'closed'
    from json_to_recordset(${JSON.stringify(sessions)}::json) as w (org text, session text)
    where s.org = w.org and s.id = w.session and s.state = 'ended'
      and s.settled_ms + s.overshoot_ms = s.recorded_ms`;
}

export async function writeAlerts(tx: Sql, alerts: AlertChange[]): Promise<void> {
  if (alerts.length === 0) return;
  await tx`
    insert into usage_alerts
      (org, budget, level, version, scope, user_id, session, period, crossed_at)
    select org, budget, level, version, scope, "user", session, from_epoch_ms(period),
      from_epoch_ms(at)
    from json_to_recordset(${JSON.stringify(alerts)}::json) as w (org text, budget text,
      level bigint, version bigint, scope text, "user" text, session text, period bigint, at bigint)
    on conflict do nothing`;
}
