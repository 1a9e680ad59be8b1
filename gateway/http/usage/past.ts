/** What a forecast rests on: the past local days of an organization or of one member. */
import { sql } from 'drizzle-orm';
import { localDay } from '../../../core/calendar/local-day.ts';
import { addDays, daysFrom } from '../../../core/calendar/spans.ts';
import type { Database } from '../../../drizzle/client.ts';
import { type Past, TREND_DAYS } from './forecast.ts';

interface Row extends Record<string, unknown> {
  timeZone: string;
  days: Record<string, number>;
  meanSessionMs: number | null;
}

/** One statement. Days before the first use are left out; days without use after it are zeros. */
export async function readPast(
  db: Database,
  org: string,
  user: string | null,
  at: number,
): Promise<Past> {
  const ofUser = user === null ? sql`true` : sql`user_id = ${user}`;
  // A day more than is looked at: which day it is there, is known with the zone.
  const since = localDay(at - (TREND_DAYS + 2) * 86_400_000, 'UTC');
  const [row] = await db.execute<Row>(sql`
    select o.time_zone as "timeZone",
      (select coalesce(jsonb_object_agg(day, used), '{}') from (
         select day::text, sum(used_ms)::bigint as used from daily_usage
         where org = o.id and day >= ${since}::date and ${ofUser} group by day) d) as days,
      (select avg(recorded_ms - overshoot_ms)::float8 from sessions
       where org = o.id and ${ofUser} and state <> 'live' and started_at >= ${since}::date)
        as "meanSessionMs"
    from organizations o where o.id = ${org}`);
  if (row === undefined) return { daysMs: [], meanSessionMs: null };
  const today = localDay(at, row.timeZone);
  const days = daysFrom(addDays(today, -TREND_DAYS), addDays(today, -1));
  const first = days.findIndex((day) => row.days[day] !== undefined);
  const daysMs = first === -1 ? [] : days.slice(first).map((day) => row.days[day] ?? 0);
  return { daysMs: daysMs.reverse(), meanSessionMs: row.meanSessionMs };
}
