import { sql } from 'drizzle-orm';
import type { Queryable } from '../drizzle/client.ts';

interface Month extends Record<string, unknown> {
  cents: number;
  endsAt: number;
}

/**
 * What top-ups of this calendar month cost in one currency, in the organization's zone: those that are
 * paid and those that may still be.
 * @param currency null: of none is anything
 * @param at meter instant
 */
export async function topUpMonth(
  db: Queryable,
  { org, currency }: { org: string; currency: string | null },
  at: number,
): Promise<Month> {
  const [row] = await db.execute<Month>(sql`
    with month as (
      select o.id, date_trunc('month', from_epoch_ms(${at}) at time zone o.time_zone) as local,
        o.time_zone as zone
      from organizations o where o.id = ${org}
    )
    select epoch_ms((m.local + interval '1 month') at time zone m.zone) as "endsAt",
      (select coalesce(sum(p.amount_cents), 0)::integer from payments p
       where p.org = m.id and p.kind = 'topUp' and p.currency = ${currency}
         and p.status not in ('failed', 'canceled')
         and p.started_at >= m.local at time zone m.zone) as cents
    from month m`);
  return row!;
}
