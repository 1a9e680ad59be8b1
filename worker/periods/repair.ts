/** What is wrong with the rows of periods, found and put right; never a row of the ledger itself. */
import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '../../drizzle/client.ts';
import { layPeriods } from '../../drizzle/queries/lay-periods.ts';
import { outdatedAhead, shortenAhead } from '../../drizzle/queries/shorten-ahead.ts';
import { writeAudit } from '../ledger/audit.ts';
import type { LedgerContext } from '../ledger/settle.ts';

/** Organizations one transaction looks at. */
export const ORGANIZATIONS_A_BATCH = 200;

export interface PeriodRepairs {
  /** the present period had no row */
  missing: number;
  /** ended where the next one begins */
  overlap: number;
  /** made ahead by a calendar that holds no more */
  outdated: number;
}

interface Overlapping extends Record<string, unknown> {
  org: string;
  startsAt: number;
  before: number;
  endsAt: number;
}

/** The earlier one ends where the later one begins: what was used in it stays where it was booked. */
async function partOverlaps(tx: Transaction, orgs: string[]): Promise<Overlapping[]> {
  return tx.execute<Overlapping>(sql`
    with p as (${overlapping(orgs)})
    update billing_periods b set ends_at = p.next_at, closed_by = 'repair'
    from p where b.org = p.org and b.starts_at = p.starts_at
    returning b.org, epoch_ms(b.starts_at) as "startsAt", epoch_ms(p.ends_at) as before,
      epoch_ms(b.ends_at) as "endsAt"`);
}

const overlapping = (orgs: string[]) => sql`
  select org, starts_at, ends_at, next_at from (
    select org, starts_at, ends_at, lead(starts_at) over (partition by org order by starts_at)
      as next_at
    from billing_periods where org = any(${sql.param(orgs)}::text[])) b
  where next_at < ends_at`;

/** Those whose present period has no row, and whether they ever had one. */
async function lapsed(db: Queryable, orgs: string[], now: number) {
  return db.execute<{ org: string; had: boolean }>(sql`
    select o.id as org, exists (select from billing_periods b where b.org = o.id) as had
    from organizations o where o.id = any(${sql.param(orgs)}::text[]) and not exists (
      select from billing_periods b where b.org = o.id and b.starts_at <= from_epoch_ms(${now})
        and b.ends_at > from_epoch_ms(${now}))
    order by o.id`);
}

/** Without a lock: most of them are right, and nobody shall wait for that. */
async function suspicious(db: Queryable, orgs: string[], now: number): Promise<string[]> {
  const parts = [
    await db.execute<{ org: string }>(overlapping(orgs)),
    await outdatedAhead(db, orgs, now),
    await lapsed(db, orgs, now),
  ];
  return [...new Set(parts.flatMap((rows) => rows.map(({ org }) => org)))];
}

/**
 * Looks at some organizations and repairs what it finds in one transaction, each with an entry in
 * audit_log; the meter is told of ends that moved. Repeats find nothing.
 */
export async function repairPeriods(
  { db }: LedgerContext,
  among: string[],
  now: number,
): Promise<PeriodRepairs> {
  const orgs = await suspicious(db, among, now);
  if (orgs.length === 0) return { missing: 0, overlap: 0, outdated: 0 };
  return db.transaction(async (tx) => {
    // In the order of everybody who locks several.
    await tx.execute(sql`
      select from organizations where id = any(${sql.param(orgs)}::text[])
      order by id for no key update`);
    const overlaps = await partOverlaps(tx, orgs);
    const outdated = await shortenAhead(tx, orgs, now);
    const without = await lapsed(tx, orgs, now);
    if (without.length > 0) {
      await layPeriods(
        tx,
        without.map(({ org }) => ({ org, at: now })),
      );
    }
    const note = (action: string, org: string, detail: Record<string, unknown>) =>
      writeAudit(tx, { actor: 'worker', action: `period.${action}`, org, detail });
    for (const { org, ...detail } of overlaps) await note('overlap', org, detail);
    for (const { org, ...detail } of outdated) await note('outdated', org, detail);
    const missing = without.filter(({ had }) => had);
    for (const { org } of missing) await note('missing', org, { at: now });
    const moved = [...new Set([...overlaps, ...outdated].map(({ org }) => org))];
    await tx.execute(sql`
      insert into meter_outbox (org) select unnest(${sql.param(moved)}::text[])`);
    return {
      missing: missing.length,
      overlap: overlaps.length,
      outdated: outdated.length,
    };
  });
}
