import { organizationBudget } from '../../../core/meter/budget-name.ts';
import { type Finding, finding } from './finding.ts';
import type { Reading } from './snapshot.ts';

/** The worker makes rows two days ahead; within one it is late. Real time. */
const AHEAD_MS = 24 * 60 * 60 * 1000;
/** A crossing travels to the ledger within seconds. */
const ALERT_PATIENCE_S = 60;

export interface When {
  /** meter instant */
  now: number;
  /** meter seconds in a real one */
  speed: number;
  /** pieces and costs of days and months that are over are left out */
  isPresentOnly?: boolean;
}
export interface MissingPeriod {
  org: string;
  at: number;
  isNow: boolean;
}
export interface Overlap {
  org: string;
  first: number;
  second: number;
}
export interface MissingAlert {
  org: string;
  period: number;
  level: number;
  planMs: number;
  quotaMs: number;
}

/** The period after one that ends soon, and the present one of organizations that record. */
export function missingPeriods(
  tx: Reading,
  orgs: string[],
  { now, speed }: When,
): Promise<MissingPeriod[]> {
  const soon = Math.floor(now + Math.min(AHEAD_MS, AHEAD_MS * speed));
  return tx<MissingPeriod[]>`
    select b.org, epoch_ms(b.ends_at) as at, false as "isNow" from billing_periods b
    where b.org = any(${orgs}) and b.ends_at > from_epoch_ms(${now})
      and b.ends_at <= from_epoch_ms(${soon})
      and not exists (select from billing_periods n where n.org = b.org and n.starts_at = b.ends_at)
    union all
    select distinct s.org, ${now}::bigint, true from sessions s
    where s.org = any(${orgs}) and s.state = 'live' and not exists (
      select from billing_periods b where b.org = s.org and b.starts_at <= from_epoch_ms(${now})
        and b.ends_at > from_epoch_ms(${now}))
    order by 1, 2`;
}

export function overlaps(tx: Reading, orgs: string[]): Promise<Overlap[]> {
  return tx<Overlap[]>`
    with p as (
      select org, starts_at, ends_at, lead(starts_at) over (partition by org order by starts_at)
        as next_at
      from billing_periods where org = any(${orgs}))
    select org, epoch_ms(starts_at) as first, epoch_ms(next_at) as second from p
    where next_at < ends_at order by 1, 2`;
}

/**
 * Percent levels that the settled sums are beyond, without a row of usage_alerts. Where nothing was
 * recorded since the limits changed, the meter had no reason to look yet.
 */
export function missingAlerts(tx: Reading, orgs: string[], { now }: When): Promise<MissingAlert[]> {
  return tx<MissingAlert[]>`
    select b.org, epoch_ms(b.starts_at) as period, t.level, b.plan_ms as "planMs",
      b.quota_ms as "quotaMs"
    from billing_periods b join organizations o on o.id = b.org join plans p on p.id = o.plan
    cross join lateral (select value::bigint as level
      from jsonb_array_elements_text(p.thresholds -> 'percent')) t
    where b.org = any(${orgs}) and b.quota_ms > 0 and b.ends_at > from_epoch_ms(${now})
      and b.plan_ms * 100 >= t.level * b.quota_ms
      and not exists (select from usage_alerts a where a.org = b.org and a.level = t.level
        and a.budget = 'o|' || b.org || '|' || epoch_ms(b.starts_at))
      and (select max(u.written_at) from usage_tracking u
        where u.org = b.org and u.period = b.starts_at) between greatest(p.updated_at, o.updated_at)
        and now() - make_interval(secs => ${ALERT_PATIENCE_S})
    order by 1, 2, 3`;
}

export function judgeMissingPeriods(rows: readonly MissingPeriod[]): Finding[] {
  return rows.map(({ org, at, isNow }) => {
    const from = new Date(at).toISOString();
    return finding('periodMissing', {
      org,
      subject: from,
      says: isNow
        ? `${org} records, and has no billing period for now (${from}).`
        : `${org} has no billing period from ${from}, which is less than a day ahead.`,
      figures: { at },
    });
  });
}

export function judgeOverlaps(rows: readonly Overlap[]): Finding[] {
  return rows.map(({ org, first, second }) =>
    finding('periodOverlap', {
      org,
      subject: new Date(first).toISOString(),
      says: `The period from ${new Date(first).toISOString()} of ${org} has not ended when the next one begins, ${new Date(second).toISOString()}.`,
      figures: { first, second },
    }),
  );
}

export function judgeAlerts(rows: readonly MissingAlert[]): Finding[] {
  return rows.map(({ org, period, level, planMs, quotaMs }) =>
    finding('alertMissing', {
      org,
      subject: `${organizationBudget(org, period)} ${level}`,
      says: `${org} has used ${planMs} of ${quotaMs} ms of its plan, which is beyond ${level} percent, and no alert says so.`,
      figures: { level, planMs, quotaMs },
    }),
  );
}
