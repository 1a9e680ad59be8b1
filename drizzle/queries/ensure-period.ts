import { sql } from 'drizzle-orm';
import { type Period, periodAt } from '../../core/calendar/period.ts';
import type { Queryable, Transaction } from '../client.ts';

interface Row extends Record<string, unknown> {
  startsAt: number;
  endsAt: number;
}

async function findPeriod(db: Queryable, org: string, at: number): Promise<Period | null> {
  const [row] = await db.execute<Row>(sql`
    select epoch_ms(starts_at) as "startsAt", epoch_ms(ends_at) as "endsAt" from billing_periods
    where org = ${org} and starts_at <= from_epoch_ms(${at}) and ends_at > from_epoch_ms(${at})`);
  return row === undefined ? null : { startsAt: row.startsAt, endsAt: row.endsAt };
}

/**
 * Cut to the gap between the periods that are there: after a change of anchor or zone the new
 * calendar begins where the old period ends, and no instant is in two periods.
 */
async function periodInGap(tx: Transaction, org: string, at: number): Promise<Period | null> {
  const [home] = await tx.execute<{ timeZone: string; anchorDay: number }>(sql`
    select time_zone as "timeZone", anchor_day as "anchorDay" from organizations
    where id = ${org} for share`);
  if (home === undefined) return null;
  const [gap] = await tx.execute<{ before: number | null; after: number | null }>(sql`
    select epoch_ms(max(ends_at) filter (where ends_at <= from_epoch_ms(${at}))) as before,
      epoch_ms(min(starts_at) filter (where starts_at > from_epoch_ms(${at}))) as after
    from billing_periods where org = ${org}`);
  const period = periodAt(at, home);
  return {
    startsAt: Math.max(period.startsAt, gap?.before ?? period.startsAt),
    endsAt: Math.min(period.endsAt, gap?.after ?? period.endsAt),
  };
}

/**
 * The billing period of an organization at a meter instant; its row is made by whoever comes first
 * (rule 19 in core/meter/README.md). The organization is locked against a change of its limits
 * meanwhile, so that the row can't miss one. null: no such organization.
 */
export async function ensurePeriod(db: Queryable, org: string, at: number): Promise<Period | null> {
  const found = await findPeriod(db, org, at);
  if (found !== null) return found;
  return db.transaction(async (tx) => {
    const period = await periodInGap(tx, org, at);
    if (period === null) return null;
    // A statement of its own: it must see the limits as they are now that the lock is held.
    await tx.execute(sql`
      insert into billing_periods (org, starts_at, ends_at, quota_ms, mode, overage_cap_ms, version)
      select o.id, from_epoch_ms(${period.startsAt}), from_epoch_ms(${period.endsAt}),
        limit_quota(p.quota_ms, o.quota_ms, 0), limit_mode(p), p.overage_cap_ms, o.limit_version
      from organizations o join plans p on p.id = o.plan where o.id = ${org}
      on conflict do nothing`);
    return findPeriod(tx, org, at);
  });
}
