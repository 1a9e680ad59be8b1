/** What the limits and the packages brought in a span of time, over all organizations. */
import { sql } from 'drizzle-orm';
import type { Queryable } from '../../../drizzle/client.ts';

/** Instants in meter time: [from, to). */
export interface Span {
  from: number;
  to: number;
}

/** Organizations, each counted once. */
export interface Conversion extends Record<string, unknown> {
  warned: number;
  warnedAndBought: number;
  stopped: number;
  stoppedAndBought: number;
  bought: number;
}

/** Who bought after the first warning, or after the limit, within the span. Gifts are no purchases. */
export async function readConversion(db: Queryable, { from, to }: Span): Promise<Conversion> {
  const [row] = await db.execute<Conversion>(sql`
    with crossed as (
      select org, min(crossed_at) as warned_at,
        min(crossed_at) filter (where level = 100) as stopped_at
      from usage_alerts
      where scope in ('organization', 'member') and crossed_at >= from_epoch_ms(${from})
        and crossed_at < from_epoch_ms(${to})
      group by org
    ), bought as (
      select org, max(started_at) as last_at from payments
      where status = 'paid' and paid_at >= from_epoch_ms(${from}) and paid_at < from_epoch_ms(${to})
      group by org
    )
    select count(c.org)::int as warned,
      count(*) filter (where b.last_at >= c.warned_at)::int as "warnedAndBought",
      count(c.stopped_at)::int as stopped,
      count(*) filter (where b.last_at >= c.stopped_at)::int as "stoppedAndBought",
      count(b.org)::int as bought
    from crossed c full join bought b using (org)`);
  return row!;
}

export interface Sales extends Record<string, unknown> {
  currency: string;
  /** null: all packages together */
  package: string | null;
  purchases: number;
  topUps: number;
  grossCents: number;
  refundedCents: number;
  lostCents: number;
  grantedMs: number;
}

/**
 * Of payments confirmed in the span, by currency and package, and by currency alone. What was given
 * back of them is counted here whenever it was: rule of payments/lot-target.ts.
 */
export async function readSales(
  db: Queryable,
  { from, to }: Span,
  livemode: boolean,
): Promise<Sales[]> {
  const rows = await db.execute<Sales>(sql`
    with paid as (
      select p.id, p.currency, p.package, p.kind, p.amount_cents, p.granted_ms,
        least(p.amount_cents, greatest(r.given, p.charge_refunded_cents - r.failed)) as refunded,
        d.lost
      from payments p
      cross join lateral (
        select coalesce(sum(cents) filter (where status not in ('failed', 'canceled')), 0) as given,
          coalesce(sum(cents) filter (where status in ('failed', 'canceled')), 0) as failed
        from payment_refunds where payment = p.id) r
      cross join lateral (
        select coalesce(sum(cents) filter (where status = 'lost'), 0) as lost
        from payment_disputes where payment = p.id) d
      where p.status = 'paid' and p.method <> 'test' and p.livemode = ${livemode}
        and p.paid_at >= from_epoch_ms(${from}) and p.paid_at < from_epoch_ms(${to})
    )
    select currency, package, count(*) filter (where kind = 'purchase')::int as purchases,
      count(*) filter (where kind = 'topUp')::int as "topUps",
      sum(amount_cents)::bigint as "grossCents", sum(refunded)::bigint as "refundedCents",
      sum(least(lost, amount_cents - refunded))::bigint as "lostCents",
      sum(granted_ms)::bigint as "grantedMs"
    from paid group by grouping sets ((currency), (currency, package))
    order by currency, package nulls first`);
  return [...rows];
}
