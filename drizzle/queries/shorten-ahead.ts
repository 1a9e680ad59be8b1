import { sql } from 'drizzle-orm';
import { periodAt } from '../../core/calendar/period.ts';
import type { Queryable, Transaction } from '../client.ts';

export interface Shortened extends Record<string, unknown> {
  org: string;
  startsAt: number;
  /** as the calendar was when it was made */
  before: number;
  endsAt: number;
}

interface Ahead extends Record<string, unknown> {
  org: string;
  startsAt: number;
  endsAt: number;
  timeZone: string;
  anchorDay: number;
}

/** Which of them `shortenAhead` would change. */
export async function outdatedAhead(
  db: Queryable,
  orgs: readonly string[],
  now: number,
): Promise<Shortened[]> {
  const ahead = await db.execute<Ahead>(sql`
    select b.org, epoch_ms(b.starts_at) as "startsAt", epoch_ms(b.ends_at) as "endsAt",
      o.time_zone as "timeZone", o.anchor_day as "anchorDay"
    from billing_periods b join organizations o on o.id = b.org
    where b.org = any(${sql.param(orgs)}::text[]) and b.starts_at > from_epoch_ms(${now})
    order by b.org, b.starts_at`);
  return ahead.flatMap(({ org, startsAt, endsAt: before, ...home }): Shortened[] => {
    const { endsAt } = periodAt(startsAt, home);
    return endsAt < before ? [{ org, startsAt, before, endsAt }] : [];
  });
}

/**
 * Periods that have not begun and were made by a calendar that does not hold any more: they end where
 * the present one says, if that is earlier. (A period keeps its start, and never ends later than
 * somebody may have been told.) Call it in the transaction that changed the calendar; the running
 * period keeps its end.
 */
export async function shortenAhead(
  tx: Transaction,
  orgs: readonly string[],
  now: number,
): Promise<Shortened[]> {
  const outdated = await outdatedAhead(tx, orgs, now);
  if (outdated.length === 0) return [];
  await tx.execute(sql`
    update billing_periods b set ends_at = from_epoch_ms(w.ends)
    from unnest(${sql.param(outdated.map((it) => it.org))}::text[],
      ${sql.param(outdated.map((it) => it.startsAt))}::bigint[],
      ${sql.param(outdated.map((it) => it.endsAt))}::bigint[]) as w (org, starts, ends)
    where b.org = w.org and b.starts_at = from_epoch_ms(w.starts)`);
  return outdated;
}
