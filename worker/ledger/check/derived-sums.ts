/**
 * What is derived beside what it is derived from (README.md): each read answers only the rows that
 * differ, of the organizations asked for, in one statement however many they are.
 */
import { durationText, exactText } from './duration-text.ts';
import { type Finding, finding } from './finding.ts';
import type { Reading } from './snapshot.ts';

/** Sums as they are stored and as the minutes say; `stored` is null where the row is missing. */
export interface Sums {
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
}
export interface WrongPeriod {
  org: string;
  period: number;
  stored: Sums & { billableMs: number; debtMs: number };
  real: Sums & { billableMs: number; debtMs: number };
}
export interface WrongRow {
  org: string;
  user: string;
  /** start of the period, or the local day */
  at: string;
  stored: (Sums & { minutes: number }) | null;
  real: Sums & { minutes: number };
}
export interface WrongSession {
  org: string;
  session: string;
  storedMs: number;
  realMs: number;
}
export interface WrongDrawn {
  org: string;
  storedMs: number;
  realMs: number;
}

export function wrongPeriods(tx: Reading, orgs: string[]): Promise<WrongPeriod[]> {
  return tx<WrongPeriod[]>`
    with sums as (
      select org, period, sum(ms)::bigint as used, sum(plan_ms)::bigint as plan,
        sum(extra_ms)::bigint as extra, sum(overage_ms)::bigint as overage,
        sum(billable_ms)::bigint as billable, sum(debt_ms)::bigint as debt
      from usage_tracking where org = any(${orgs}) group by org, period)
    select b.org, epoch_ms(b.starts_at) as period,
      json_build_object('usedMs', b.used_ms, 'planMs', b.plan_ms, 'extraMs', b.extra_ms,
        'overageMs', b.overage_ms, 'billableMs', b.billable_ms, 'debtMs', b.debt_ms) as stored,
      json_build_object('usedMs', coalesce(s.used, 0), 'planMs', coalesce(s.plan, 0),
        'extraMs', coalesce(s.extra, 0), 'overageMs', coalesce(s.overage, 0),
        'billableMs', coalesce(s.billable, 0), 'debtMs', coalesce(s.debt, 0)) as real
    from billing_periods b left join sums s on s.org = b.org and s.period = b.starts_at
    where b.org = any(${orgs})
      and (b.used_ms, b.plan_ms, b.extra_ms, b.overage_ms, b.billable_ms, b.debt_ms)
        is distinct from (coalesce(s.used, 0), coalesce(s.plan, 0), coalesce(s.extra, 0),
          coalesce(s.overage, 0), coalesce(s.billable, 0), coalesce(s.debt, 0))
    order by b.org, b.starts_at`;
}

/** A record begins where no earlier period holds a part of the same minute. */
const begins = (tx: Reading) => tx`
  count(*) filter (where not exists (select from usage_tracking e
    where e.session_month = u.session_month and e.org = u.org and e.session = u.session
      and e.minute = u.minute and e.period < u.period))::integer as minutes`;

const realSums = (tx: Reading) => tx`
  sum(u.ms)::bigint as used, sum(u.plan_ms)::bigint as plan, sum(u.extra_ms)::bigint as extra,
  sum(u.overage_ms)::bigint as overage, ${begins(tx)}`;

const pairOfSums = (tx: Reading) => tx`
  case when c.org is null then null else json_build_object('usedMs', c.used_ms,
    'planMs', c.plan_ms, 'extraMs', c.extra_ms, 'overageMs', c.overage_ms,
    'minutes', c.minutes) end as stored,
  json_build_object('usedMs', coalesce(s.used, 0), 'planMs', coalesce(s.plan, 0),
    'extraMs', coalesce(s.extra, 0), 'overageMs', coalesce(s.overage, 0),
    'minutes', coalesce(s.minutes, 0)) as real`;

const differ = (tx: Reading) => tx`
  (coalesce(c.used_ms, 0), coalesce(c.plan_ms, 0), coalesce(c.extra_ms, 0),
    coalesce(c.overage_ms, 0), coalesce(c.minutes, 0)) is distinct from
  (coalesce(s.used, 0), coalesce(s.plan, 0), coalesce(s.extra, 0), coalesce(s.overage, 0),
    coalesce(s.minutes, 0))`;

export function wrongMonths(tx: Reading, orgs: string[]): Promise<WrongRow[]> {
  return tx<WrongRow[]>`
    with s as (
      select u.org, u.user_id, u.period, ${realSums(tx)} from usage_tracking u
      where u.org = any(${orgs}) group by u.org, u.user_id, u.period),
    c as (select * from monthly_usage_cache where org = any(${orgs}))
    select coalesce(s.org, c.org) as org, coalesce(s.user_id, c.user_id) as user,
      coalesce(s.period, c.period)::text as at, ${pairOfSums(tx)}
    from s full join c on c.org = s.org and c.user_id = s.user_id and c.period = s.period
    where ${differ(tx)} order by 1, 2, 3`;
}

export function wrongDays(tx: Reading, orgs: string[]): Promise<WrongRow[]> {
  return tx<WrongRow[]>`
    with s as (
      select u.org, u.user_id, u.day, ${realSums(tx)} from usage_tracking u
      where u.org = any(${orgs}) group by u.org, u.user_id, u.day),
    c as (select * from daily_usage where org = any(${orgs}))
    select coalesce(s.org, c.org) as org, coalesce(s.user_id, c.user_id) as user,
      coalesce(s.day, c.day)::text as at, ${pairOfSums(tx)}
    from s full join c on c.org = s.org and c.user_id = s.user_id and c.day = s.day
    where ${differ(tx)} order by 1, 2, 3`;
}

export function wrongSessions(tx: Reading, orgs: string[]): Promise<WrongSession[]> {
  return tx<WrongSession[]>`
    with sums as (
      select org, session, sum(ms)::bigint as ms from usage_tracking
      where org = any(${orgs}) group by org, session)
    select s.org, s.id as session, s.settled_ms as "storedMs", coalesce(u.ms, 0) as "realMs"
    from sessions s left join sums u on u.org = s.org and u.session = s.id
    where s.org = any(${orgs}) and s.settled_ms <> coalesce(u.ms, 0) order by 1, 2`;
}

/** From the minutes that were burnt, which are the truth; never from the lots. */
export function wrongDrawn(tx: Reading, orgs: string[]): Promise<WrongDrawn[]> {
  return tx<WrongDrawn[]>`
    with sums as (
      select org, sum(ms)::bigint as ms from extra_minutes_usage
      where org = any(${orgs}) group by org)
    select o.id as org, o.drawn_ms as "storedMs", coalesce(s.ms, 0) as "realMs"
    from organizations o left join sums s on s.org = o.id
    where o.id = any(${orgs}) and o.drawn_ms <> coalesce(s.ms, 0) order by 1`;
}

const difference = (storedMs: number, realMs: number) =>
  `${exactText(storedMs)} where its minutes come to ${exactText(realMs)}`;

/** The first part of a split that differs, where the sums agree. */
function sumsText(stored: Sums, real: Sums): string {
  if (stored.usedMs !== real.usedMs) return difference(stored.usedMs, real.usedMs);
  const split = (it: Sums) =>
    `plan ${durationText(it.planMs)}, extra ${durationText(it.extraMs)}, overage ${durationText(it.overageMs)}`;
  return `a split of ${split(stored)} where its minutes say ${split(real)}`;
}

export function judgePeriods(rows: readonly WrongPeriod[]): Finding[] {
  return rows.map(({ org, period, stored, real }) =>
    finding('periodSums', {
      org,
      subject: new Date(period).toISOString(),
      says: `The period from ${new Date(period).toISOString()} of ${org} says ${sumsText(stored, real)}.`,
      figures: { storedMs: stored.usedMs, realMs: real.usedMs },
    }),
  );
}

function judgeRows(
  rows: readonly WrongRow[],
  code: 'monthlyCache' | 'dailyUsage',
  what: string,
): Finding[] {
  return rows.map(({ org, user, at, stored, real }) => {
    const of = `${what} ${at} of ${user} in ${org}`;
    const where = { org, subject: `${user} ${at}` };
    const figures = { storedMs: stored?.usedMs ?? null, realMs: real.usedMs };
    if (stored === null) {
      const says = `${of} is missing; its minutes come to ${exactText(real.usedMs)}.`;
      return finding(code, { ...where, says, figures });
    }
    const isOnlyCount = (['usedMs', 'planMs', 'extraMs', 'overageMs'] as const).every(
      (name) => stored[name] === real[name],
    );
    if (!isOnlyCount) {
      return finding(code, { ...where, says: `${of} says ${sumsText(stored, real)}.`, figures });
    }
    return finding('minuteCount', {
      ...where,
      says: `${of} counts ${stored.minutes} minute records where there are ${real.minutes}.`,
      figures: { stored: stored.minutes, real: real.minutes },
    });
  });
}

export const judgeMonths = (rows: readonly WrongRow[]) =>
  judgeRows(rows, 'monthlyCache', 'The month from');
export const judgeDays = (rows: readonly WrongRow[]) => judgeRows(rows, 'dailyUsage', 'The day');

export function judgeSessions(rows: readonly WrongSession[]): Finding[] {
  return rows.map(({ org, session, storedMs, realMs }) =>
    finding('sessionSums', {
      org,
      subject: session,
      says: `Session ${session} of ${org} says ${difference(storedMs, realMs)}.`,
      figures: { storedMs, realMs },
    }),
  );
}

export function judgeDrawn(rows: readonly WrongDrawn[]): Finding[] {
  return rows.map(({ org, storedMs, realMs }) =>
    finding('drawnSum', {
      org,
      says: `${org} has drawn ${exactText(storedMs)} of extra minutes, it says, where ${exactText(realMs)} were burnt.`,
      figures: { storedMs, realMs },
    }),
  );
}
