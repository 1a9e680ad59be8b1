import { sql } from 'drizzle-orm';
import type { Period } from '../../core/calendar/period.ts';
import type { Queryable } from '../client.ts';
import { layPeriods } from './lay-periods.ts';

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
 * The billing period of an organization at a meter instant; its row is made by whoever comes first
 * (rule 19 in core/meter/README.md). null: no such organization.
 */
export async function ensurePeriod(db: Queryable, org: string, at: number): Promise<Period | null> {
  const found = await findPeriod(db, org, at);
  if (found !== null) return found;
  return db.transaction(async (tx) => {
    await layPeriods(tx, [{ org, at }]);
    return findPeriod(tx, org, at);
  });
}
