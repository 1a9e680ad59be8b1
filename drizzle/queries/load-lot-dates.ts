import { sql } from 'drizzle-orm';
import type { Queryable } from '../client.ts';

/** A lot with an end, and what is left of it as settled; of one that is over: what was left. */
export interface LotEnd {
  lot: string;
  at: number;
  ms: number;
}

/** Instants at which something happens to an organization's extra minutes, in epoch ms of meter time. */
export interface LotDates {
  /** of those that have something left, the one that expires first; null: none does */
  next: LotEnd | null;
  /** those that expired since, with something left */
  expired: LotEnd[];
  /** when what is lent while a payment confirms is withdrawn, unless it is paid */
  holdUntil: number | null;
}

/** @param since meter instant from which on lots that expired are told */
export async function loadLotDates(db: Queryable, org: string, since: number): Promise<LotDates> {
  const [row] = await db.execute<{ dates: LotDates }>(sql`
    with lots as (
      select *, json_build_object('lot', id, 'at', epoch_ms(expires_at),
        'ms', granted_ms - reversed_ms - used_ms) as ends
      from extra_minutes_purchases
      where org = ${org} and expires_at is not null and used_ms < granted_ms - reversed_ms
    )
    select json_build_object(
      'next', (select ends from lots where expired_at is null and frozen_at is null
        order by expires_at, purchased_at, id limit 1),
      'expired', (select coalesce(json_agg(ends order by expires_at, id), '[]') from lots
        where expired_at > from_epoch_ms(${since})),
      'holdUntil', (select epoch_ms(hold_until) from payments
        where org = ${org} and hold_until is not null and hold_ended_at is null and paid_at is null)
    ) as dates`);
  return row!.dates;
}
