import type postgres from 'postgres';
import type { Unsettled } from '../../core/meter/commands.ts';

interface Gap {
  shard: number;
  org: string;
  session: string;
  user: string;
  startedAt: number;
  minute: number;
  period: number;
  ms: number;
}

export type MissingMinute = Extract<Unsettled, { kind: 'minute' }> & { shard: number };

/**
 * Recovery (c): a minute below a settled one is full, since minutes are numbered by charged time;
 * what is missing of it was lost on the way here. It goes to the period in which the session was
 * last seen up to that minute. Answers what to write, cumulative, like what a shard has unsettled.
 */
export async function missingMinutes(
  sql: postgres.Sql,
  shards: number[],
): Promise<MissingMinute[]> {
  const gaps = await sql<Gap[]>`
    with open as (
      select org, id, user_id, started_at, start_month, first_period from sessions
      where shard = any(${shards}) and state <> 'closed'
    ), minutes as (
      select u.org, u.session, u.minute, u.period, u.ms
      from open s join usage_tracking u
        on u.session_month = s.start_month and u.org = s.org and u.session = s.id
    ), last as (
      select org, session, max(minute) as minute from minutes group by org, session
    ), gaps as (
      select l.org, l.session, g.minute, 60000 - coalesce(sum(m.ms), 0) as ms
      from last l cross join generate_series(0, l.minute - 1) as g (minute)
      left join minutes m on m.org = l.org and m.session = l.session and m.minute = g.minute
      group by l.org, l.session, g.minute having coalesce(sum(m.ms), 0) < 60000
    ), placed as (
      select g.*, coalesce(
        (select max(m.period) from minutes m
         where m.org = g.org and m.session = g.session and m.minute <= g.minute),
        s.first_period) as period, s.user_id, s.started_at
      from gaps g join open s on s.org = g.org and s.id = g.session
    )
    select shard_of(p.org) as shard, p.org, p.session, p.user_id as user, epoch_ms(p.started_at) as "startedAt", p.minute,
      epoch_ms(p.period) as period, (p.ms + coalesce(m.ms, 0))::integer as ms
    from placed p left join minutes m on m.org = p.org and m.session = p.session
      and m.minute = p.minute and m.period = p.period
    order by p.org, p.session, p.minute`;
  return gaps.map((gap) => ({
    kind: 'minute',
    field: `m|${gap.session}|${gap.minute}|${gap.period}`,
    value: `0:${gap.ms}`,
    generation: 0,
    ...gap,
  }));
}
