import type postgres from 'postgres';
import type { AlertChange, SessionChange } from './batch.ts';
import { numbers, words } from './columns.ts';
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
 * the partition of its minutes. A late total of a closed session opens it again. Most minutes bring
 * nothing that is new of their session: its row is then left alone.
 */
export function upsertSessions(
  tx: Sql,
  generation: number,
  sessions: readonly SessionChange[],
): Promise<unknown> {
  return tx`
    insert into sessions as s (org, id, user_id, started_at, start_month, first_period, last_period,
      state, ended_at, reason, stopped_by, recorded_ms, overshoot_ms, generation)
    select w.org, w.session, w."user", from_epoch_ms("startedAt"), "startMonth",
      from_epoch_ms("firstPeriod"), from_epoch_ms("lastPeriod"),
      case when "endedAt" is null then 'live' else 'ended' end, from_epoch_ms("endedAt"),
      case when "endedAt" is not null then w.reason end, "stoppedBy", "recordedMs", "overshootMs",
      ${generation}
    from json_to_recordset(${JSON.stringify(sessions)}::json) as w (org text, session text,
      "user" text, "startedAt" bigint, "startMonth" date, "firstPeriod" bigint,
      "lastPeriod" bigint, "endedAt" bigint, reason text, "stoppedBy" text, "recordedMs" bigint,
      "overshootMs" bigint)
    left join sessions k on k.org = w.org and k.id = w.session
    where k.id is null or ${generation} > k.generation or "overshootMs" > k.overshoot_ms
      or "recordedMs" > k.recorded_ms or ("endedAt" is not null and k.ended_at is null)
      or from_epoch_ms("firstPeriod") < k.first_period
      or from_epoch_ms("lastPeriod") > k.last_period
      or ("endedAt" is not null and w.reason is not null and k.reason is null)
      or ("stoppedBy" is not null and k.stopped_by is null)
    order by w.org, w.session
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
      generation = greatest(s.generation, excluded.generation)`;
}

export function writeMinutes(tx: Sql, minutes: readonly GrownMinute[]): Promise<unknown>[] {
  if (minutes.length === 0) return [];
  const texts = (of: (it: GrownMinute) => string) => words(minutes.map(of));
  const figures = (of: (it: GrownMinute) => number) => numbers(minutes.map(of));
  return [
    tx`
      insert into usage_tracking (session_month, org, session, minute, period, user_id, day, ms,
        plan_ms, extra_ms, overage_ms, billable_ms, debt_ms)
      select month, org, session, minute, from_epoch_ms(period), "user", day, ms, plan, extra,
        overage, billable, debt
      from unnest(${texts((it) => it.month)}::date[], ${texts((it) => it.org)}::text[],
        ${texts((it) => it.session)}::text[], ${figures((it) => it.minute)}::integer[],
        ${figures((it) => it.period)}::bigint[], ${texts((it) => it.user)}::text[],
        ${texts((it) => it.day)}::date[], ${figures((it) => it.ms)}::integer[],
        ${figures((it) => it.planMs)}::integer[], ${figures((it) => it.extraMs)}::integer[],
        ${figures((it) => it.overageMs)}::integer[], ${figures((it) => it.billableMs)}::integer[],
        ${figures((it) => it.debtMs)}::integer[])
        as w (month, org, session, minute, period, "user", day, ms, plan, extra, overage, billable,
          debt)
      on conflict (session_month, org, session, minute, period) do update set
        ms = excluded.ms, plan_ms = excluded.plan_ms, extra_ms = excluded.extra_ms,
        overage_ms = excluded.overage_ms, billable_ms = excluded.billable_ms,
        debt_ms = excluded.debt_ms, written_at = now()`,
  ];
}

/** Which minute burnt which lot, and the lots themselves. After the minutes, which it refers to. */
export function writeBurns(tx: Sql, minutes: readonly GrownMinute[]): Promise<unknown>[] {
  const burns = minutes.flatMap((it) => it.growth.lots.map((lot) => ({ it, ...lot })));
  if (burns.length === 0) return [];
  const texts = (of: (it: GrownMinute) => string) => words(burns.map(({ it }) => of(it)));
  const lots = new Map<string, number>();
  const orgs = new Map<string, number>();
  for (const { it, purchase, ms } of burns) {
    lots.set(purchase, (lots.get(purchase) ?? 0) + ms);
    orgs.set(it.org, (orgs.get(it.org) ?? 0) + ms);
  }
  const sums = (of: Map<string, number>) => tx`
    unnest(${words([...of.keys()])}::text[], ${numbers([...of.values()])}::bigint[]) as w (id, ms)`;
  return [
    tx`
      insert into extra_minutes_usage as u
        (session_month, org, session, minute, period, purchase, ms)
      select month, org, session, minute, from_epoch_ms(period), purchase, ms
      from unnest(${texts((it) => it.month)}::date[], ${texts((it) => it.org)}::text[],
        ${texts((it) => it.session)}::text[],
        ${numbers(burns.map(({ it }) => it.minute))}::integer[],
        ${numbers(burns.map(({ it }) => it.period))}::bigint[],
        ${words(burns.map(({ purchase }) => purchase))}::text[],
        ${numbers(burns.map(({ ms }) => ms))}::integer[])
        as w (month, org, session, minute, period, purchase, ms)
      on conflict (session_month, org, session, minute, period, purchase)
        do update set ms = u.ms + excluded.ms`,
    tx`
      update extra_minutes_purchases p set used_ms = used_ms + w.ms from ${sums(lots)}
      where p.id = w.id`,
    tx`
      update organizations o set drawn_ms = drawn_ms + w.ms, drawn_sequence = drawn_sequence + 1
      from ${sums(orgs)} where o.id = w.id`,
  ];
}

/** Rule 16: an ended session is closed when its minutes come to its total less its overshoot. */
export function closeSessions(
  tx: Sql,
  sessions: readonly { org: string; session: string }[],
): Promise<unknown>[] {
  if (sessions.length === 0) return [];
  return [
    tx`
      update sessions s set state = 'closed'
      from unnest(${words(sessions.map(({ org }) => org))}::text[],
        ${words(sessions.map(({ session }) => session))}::text[]) as w (org, session)
      where s.org = w.org and s.id = w.session and s.state = 'ended'
        and s.settled_ms + s.overshoot_ms = s.recorded_ms`,
  ];
}

export function writeAlerts(tx: Sql, alerts: readonly AlertChange[]): Promise<unknown>[] {
  if (alerts.length === 0) return [];
  return [
    tx`
      insert into usage_alerts
        (org, budget, level, version, scope, user_id, session, period, crossed_at)
      select org, budget, level, version, scope, "user", session, from_epoch_ms(period),
        from_epoch_ms(at)
      from json_to_recordset(${JSON.stringify(alerts)}::json) as w (org text, budget text,
        level bigint, version bigint, scope text, "user" text, session text, period bigint,
        at bigint)
      on conflict do nothing`,
  ];
}
