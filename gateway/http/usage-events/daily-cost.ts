/** The rows of `daily_costs`: counted, judged, and told of at 80 and 100 percent of the ceiling. */
import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '../../../drizzle/client.ts';
import { usageAlerts } from '../../../drizzle/schema/usage.ts';
import { levelsReached, MICROS_PER_CENT } from './cost.ts';

/** What a request adds to one local day. */
export interface DayAdded {
  day: string;
  costMicros: number;
  events: number;
}
/** A day's sum, as that request left it. */
export interface DaySum {
  day: string;
  usedMicros: number;
}

interface Row extends Record<string, unknown> {
  day: string;
  cost: string;
}

/**
 * Adds to days in one statement; with `enforced` only to those whose ceiling was not reached before, so
 * that the request that crosses it is the last one. Days are locked in their order, the same for all.
 * @returns the days that took it. If one is missing, the caller must roll back.
 */
export async function addDailyCosts(
  tx: Transaction,
  org: string,
  added: readonly DayAdded[],
  { limitCents, enforced }: { limitCents: number | null; enforced: boolean },
): Promise<DaySum[]> {
  if (added.length === 0) return [];
  const limitMicros = limitCents === null ? null : limitCents * MICROS_PER_CENT;
  const judged = sql`${enforced && limitMicros !== null}::boolean`;
  const rows = added.map(
    ({ day, costMicros, events }) => sql`(${day}::date, ${costMicros}::bigint, ${events}::bigint)`,
  );
  const sums = await tx.execute<Row>(sql`
    insert into daily_costs as d (org, day, cost_micros, events)
    select ${org}, day, cost, events from (values ${sql.join(rows, sql`, `)}) as a (day, cost, events)
    where not ${judged} or 0 < ${limitMicros}::bigint
    order by day
    on conflict (org, day) do update
      set cost_micros = d.cost_micros + excluded.cost_micros, events = d.events + excluded.events
      where not ${judged} or d.cost_micros < ${limitMicros}::bigint
    returning day::text, cost_micros::text as cost`);
  return sums.map(({ day, cost }) => ({ day, usedMicros: Number(cost) }));
}

export async function readDailyCost(db: Queryable, org: string, day: string): Promise<number> {
  const [row] = await db.execute<Row>(sql`
    select cost_micros::text as cost from daily_costs where org = ${org} and day = ${day}::date`);
  return row === undefined ? 0 : Number(row.cost);
}

/**
 * Writes an alert for every level that is reached, once each: its row is named by the day, the level
 * and the ceiling, so a ceiling that was changed is told of anew.
 * @param at meter time, epoch ms
 * @returns the levels that were crossed now
 */
export async function writeCostAlerts(
  tx: Transaction,
  org: string,
  sums: readonly DaySum[],
  limitCents: number | null,
  at: number,
): Promise<number[]> {
  const rows = sums.flatMap(({ day, usedMicros }) =>
    levelsReached(usedMicros, limitCents).map((level) => ({
      ...{ org, budget: `cost|${org}|${day}`, level, version: limitCents! },
      ...{ scope: 'cost' as const, crossedAt: at },
    })),
  );
  if (rows.length === 0) return [];
  const written = await tx
    .insert(usageAlerts)
    .values(rows)
    .onConflictDoNothing()
    .returning({ level: usageAlerts.level });
  return [...new Set(written.map(({ level }) => level))].sort((a, b) => a - b);
}
