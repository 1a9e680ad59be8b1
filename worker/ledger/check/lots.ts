/** Extra minutes: read and judged, and never written by whoever checks. */
import { BURN_ORDER } from '../../../drizzle/queries/burn-order.ts';
import { exactText } from './duration-text.ts';
import { type Finding, finding } from './finding.ts';
import type { Reading } from './snapshot.ts';

export interface WrongLot {
  org: string;
  purchase: string;
  grantedMs: number;
  usedMs: number;
  burntMs: number;
}
export interface WrongSplit {
  org: string;
  session: string;
  minute: number;
  extraMs: number;
  burntMs: number;
}
export interface SkippedLot {
  org: string;
  earlier: string;
  leftMs: number;
  later: string;
  laterUsedMs: number;
}

/** Out of bounds, or not used by what its minutes say. */
export function wrongLots(tx: Reading, orgs: string[]): Promise<WrongLot[]> {
  return tx<WrongLot[]>`
    with burnt as (
      select purchase, sum(ms)::bigint as ms from extra_minutes_usage
      where org = any(${orgs}) group by purchase)
    select p.org, p.id as purchase, p.granted_ms as "grantedMs", p.used_ms as "usedMs",
      coalesce(b.ms, 0) as "burntMs"
    from extra_minutes_purchases p left join burnt b on b.purchase = p.id
    where p.org = any(${orgs}) and (p.used_ms not between 0 and p.granted_ms
      or p.used_ms <> coalesce(b.ms, 0)) order by 1, 2`;
}

/** Only minutes that drew on lots or are said to have: few, next to all. */
export function wrongSplits(tx: Reading, orgs: string[]): Promise<WrongSplit[]> {
  return tx<WrongSplit[]>`
    with burnt as (
      select session_month, org, session, minute, period, sum(ms)::bigint as ms
      from extra_minutes_usage where org = any(${orgs}) group by 1, 2, 3, 4, 5),
    paid as (
      select session_month, org, session, minute, period, extra_ms as ms
      from usage_tracking where org = any(${orgs}) and extra_ms > 0)
    select coalesce(p.org, b.org) as org, coalesce(p.session, b.session) as session,
      coalesce(p.minute, b.minute) as minute, coalesce(p.ms, 0)::bigint as "extraMs",
      coalesce(b.ms, 0) as "burntMs"
    from paid p full join burnt b using (session_month, org, session, minute, period)
    where coalesce(p.ms, 0) <> coalesce(b.ms, 0) order by 1, 2, 3`;
}

/**
 * A lot used while one before it in the burn order, and bought no later, has minutes left. Passed over
 * are lots that do not serve (expired, frozen), those that a refund or dispute may have given minutes
 * back, and those that were lent first, since they had another place then; so is what imported minutes
 * burnt of a lot, since another system chose it.
 */
export function skippedLots(tx: Reading, orgs: string[]): Promise<SkippedLot[]> {
  return tx<SkippedLot[]>`
    with lots as (
      select *, row_number() over (partition by org order by ${tx.unsafe(BURN_ORDER)}) as place
      from extra_minutes_purchases
      where org = any(${orgs}) and expired_at is null and frozen_at is null)
    select distinct on (b.org, b.id) b.org, a.id as earlier,
      a.granted_ms - a.reversed_ms - a.used_ms as "leftMs", b.id as later,
      b.used_ms as "laterUsedMs"
    from lots a join lots b on b.org = a.org and b.place > a.place
      and b.purchased_at >= a.purchased_at
    left join import_lots i on i.lot = b.id
    where not exists (select from payment_refunds r where r.payment = a.id)
      and not exists (select from payment_disputes d where d.payment = a.id)
      and not exists (select from payments p where p.id = b.id and p.hold_ms > 0
        and b.held_at is null)
      and a.used_ms < a.granted_ms - a.reversed_ms and b.used_ms > coalesce(i.burnt_ms, 0)
    order by b.org, b.id, a.place`;
}

export function judgeLots(rows: readonly WrongLot[]): Finding[] {
  return rows.map(({ org, purchase, grantedMs, usedMs, burntMs }) => {
    const where = { org, subject: purchase, figures: { grantedMs, usedMs, burntMs } };
    if (usedMs < 0 || usedMs > grantedMs) {
      return finding('lotBounds', {
        ...where,
        says: `Lot ${purchase} of ${org} holds ${exactText(grantedMs)} and says ${exactText(usedMs)} of it were used.`,
      });
    }
    return finding('lotSum', {
      ...where,
      says: `Lot ${purchase} of ${org} says ${exactText(usedMs)} of it were used; its minutes burnt ${exactText(burntMs)}.`,
    });
  });
}

export function judgeSplits(rows: readonly WrongSplit[]): Finding[] {
  return rows.map(({ org, session, minute, extraMs, burntMs }) =>
    finding('minuteSplit', {
      org,
      subject: `${session} minute ${minute}`,
      says: `Minute ${minute} of session ${session} of ${org} was paid by ${extraMs} ms of extra minutes; lots say ${burntMs} ms.`,
      figures: { extraMs, burntMs },
    }),
  );
}

export function judgeSkipped(rows: readonly SkippedLot[]): Finding[] {
  return rows.map(({ org, earlier, leftMs, later, laterUsedMs }) =>
    finding('lotOrder', {
      org,
      subject: later,
      says: `Lot ${later} of ${org} was used by ${exactText(laterUsedMs)}, while ${earlier} before it has ${exactText(leftMs)} left.`,
      figures: { leftMs, laterUsedMs },
    }),
  );
}
