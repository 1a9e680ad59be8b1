import { sql } from 'drizzle-orm';
import { periodAt } from '../../core/calendar/period.ts';
import type { Transaction } from '../client.ts';

/** The period of an organization that contains a meter instant. */
export interface WantedPeriod {
  org: string;
  at: number;
}

export interface LaidPeriod {
  org: string;
  startsAt: number;
  endsAt: number;
}

interface Gap extends Record<string, unknown> {
  org: string;
  at: number;
  timeZone: string;
  anchorDay: number;
  before: number | null;
  after: number | null;
}

/**
 * Where no period contains the instant, what is free around it: after a change of anchor or zone the
 * new calendar begins where the old period ends, and no instant is in two periods.
 */
async function gapsAt(tx: Transaction, wanted: readonly WantedPeriod[]): Promise<Gap[]> {
  const orgs = sql.param(wanted.map((it) => it.org));
  const instants = sql.param(wanted.map((it) => it.at));
  return tx.execute<Gap>(sql`
    select w.org, w.at, o.time_zone as "timeZone", o.anchor_day as "anchorDay",
      (select epoch_ms(max(ends_at)) from billing_periods b
       where b.org = w.org and b.ends_at <= from_epoch_ms(w.at)) as before,
      (select epoch_ms(min(starts_at)) from billing_periods b
       where b.org = w.org and b.starts_at > from_epoch_ms(w.at)) as after
    from unnest(${orgs}::text[], ${instants}::bigint[]) as w (org, at)
    join organizations o on o.id = w.org
    where not exists (select from billing_periods b where b.org = w.org
      and b.starts_at <= from_epoch_ms(w.at) and b.ends_at > from_epoch_ms(w.at))`);
}

function fitted({ org, at, before, after, ...home }: Gap): LaidPeriod {
  const period = periodAt(at, home);
  return {
    org,
    startsAt: Math.max(period.startsAt, before ?? period.startsAt),
    endsAt: Math.min(period.endsAt, after ?? period.endsAt),
  };
}

/**
 * Makes the rows of periods that are missing, of many organizations in one transaction: four
 * statements, however many they are. The organizations are locked against a change of their limits
 * and calendars meanwhile, in the order of their ids, so that no row misses one. Answers what it made.
 */
export async function layPeriods(
  tx: Transaction,
  wanted: readonly WantedPeriod[],
): Promise<LaidPeriod[]> {
  const ids = sql.param([...new Set(wanted.map((it) => it.org))]);
  await tx.execute(sql`
    select from organizations where id = any(${ids}::text[]) order by id for share`);
  const laid = (await gapsAt(tx, wanted)).map(fitted);
  if (laid.length === 0) return [];
  // A statement of its own: it must see the limits as they are now that the lock is held.
  return tx.execute<LaidPeriod & Record<string, unknown>>(sql`
    insert into billing_periods (org, starts_at, ends_at, quota_ms, mode, overage_cap_ms, version)
    select o.id, from_epoch_ms(w.starts), from_epoch_ms(w.ends),
      limit_quota(p.quota_ms, o.quota_ms, 0), limit_mode(p, o), p.overage_cap_ms, o.limit_version
    from unnest(${sql.param(laid.map((it) => it.org))}::text[],
      ${sql.param(laid.map((it) => it.startsAt))}::bigint[],
      ${sql.param(laid.map((it) => it.endsAt))}::bigint[]) as w (org, starts, ends)
    join organizations o on o.id = w.org join plans p on p.id = o.plan
    on conflict do nothing
    returning org, epoch_ms(starts_at) as "startsAt", epoch_ms(ends_at) as "endsAt"`);
}
