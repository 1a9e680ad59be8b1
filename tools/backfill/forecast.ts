import type postgres from 'postgres';
import { lookBack } from './look-back.ts';

/** What of an organization's month is not in the ledger yet. */
export interface MonthForecast {
  org: string;
  /** `2026-05`, by the calendar of --zone */
  month: string;
  rows: number;
  sessions: number;
  ms: number;
}

/** Counted and shown, and taken all the same. */
export interface Noted {
  count: number;
  examples: string[];
}

export interface Forecast {
  months: MonthForecast[];
  /** minutes of the wall in which a session has more than 60 s */
  crowded: Noted;
  /** minutes in which a user has more than one session */
  overlapping: Noted;
}

const MOST_EXAMPLES = 5;

interface Example {
  count: number;
  examples: { org: string; who: string; at: string; says: string }[] | null;
}

const noted = ({ count, examples }: Example): Noted => ({
  count,
  examples: (examples ?? []).map((it) => `${it.org} ${it.who} at ${it.at}: ${it.says}`),
});

/** Of all rows that wait, also those that a run before left when it was cut short. */
export async function forecast(sql: postgres.Sql, zone: string): Promise<Forecast> {
  return lookBack(sql, async (tx) => {
    const months = await tx<MonthForecast[]>`
      select org, to_char(at at time zone ${zone}, 'YYYY-MM') as month, count(*) as rows,
        count(distinct session) as sessions, sum(ms - taken_ms)::bigint as ms
      from import_rows where taken_ms < ms group by 1, 2 order by 1, 2`;
    const [crowded] = await tx<Example[]>`
      with found as (
        select org, session as who, date_trunc('minute', at)::text as at, sum(ms) || ' ms' as says,
          row_number() over (order by org, date_trunc('minute', at)) as place
        from import_rows where taken_ms < ms
        group by org, session, date_trunc('minute', at) having sum(ms) > 60000)
      select count(*) as count, json_agg(found order by place) filter (where place <= ${MOST_EXAMPLES})
        as examples from found`;
    const [overlapping] = await tx<Example[]>`
      with found as (
        select org, user_id as who, date_trunc('minute', at)::text as at,
          count(distinct session) || ' sessions' as says,
          row_number() over (order by org, date_trunc('minute', at)) as place
        from import_rows where taken_ms < ms
        group by org, user_id, date_trunc('minute', at) having count(distinct session) > 1)
      select count(*) as count, json_agg(found order by place) filter (where place <= ${MOST_EXAMPLES})
        as examples from found`;
    return { months, crowded: noted(crowded!), overlapping: noted(overlapping!) };
  });
}
