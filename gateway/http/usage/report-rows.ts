/** Pages of a report's rows, each by the key after which the next one begins: never all at once. */
import { sql } from 'drizzle-orm';
import type { Database } from '../../../drizzle/client.ts';
import type { Range } from './range.ts';

export const REPORT_KINDS = ['session', 'day', 'member', 'month'] as const;
export type ReportKind = (typeof REPORT_KINDS)[number];

/** What one row tells, before it is written. */
export interface ReportRow extends Record<string, unknown> {
  /** session, day or period, by kind; null of a member */
  of: string | null;
  user: string;
  startsAt: number | null;
  endsAt: number | null;
  /** of a session, as the ledger has it: live, ended, closed */
  state: string | null;
  reason: string | null;
  /** null where it is not known by this kind */
  recordedMs: number | null;
  planMs: number;
  extraMs: number;
  overageMs: number;
  /** of a session's start, which what was imported may have to the microsecond; else none */
  exactly?: string;
}

export interface ReportAsk {
  org: string;
  user: string | null;
  range: Range;
}

/** Rows of one statement: a page is some hundred kilobytes of text. */
export const ROWS_A_PAGE = 1_000;

type Key = readonly [string | number, string];

/** Every row of a report, page by page. */
export async function* reportPages(
  db: Database,
  kind: ReportKind,
  ask: ReportAsk,
  rowsAPage = ROWS_A_PAGE,
): AsyncGenerator<ReportRow[]> {
  let after: Key | null = null;
  for (;;) {
    const rows = (await PAGES[kind](db, ask, after, rowsAPage)).map(withNumbers);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < rowsAPage) return;
    after = keyOf(kind, last);
  }
}

function keyOf(kind: ReportKind, row: ReportRow): Key {
  if (kind === 'session') return [row.exactly!, row.of!];
  if (kind === 'member') return [row.user, ''];
  return [kind === 'day' ? row.of! : row.startsAt!, row.user];
}

function withNumbers(row: ReportRow): ReportRow {
  const number = (value: number | null) => (value === null ? null : Number(value));
  return {
    ...row,
    startsAt: number(row.startsAt),
    endsAt: number(row.endsAt),
    recordedMs: number(row.recordedMs),
    planMs: Number(row.planMs),
    extraMs: Number(row.extraMs),
    overageMs: Number(row.overageMs),
  };
}

type Page = (
  db: Database,
  ask: ReportAsk,
  after: Key | null,
  limit: number,
) => Promise<ReportRow[]>;

const ofUser = (user: string | null) => (user === null ? sql`true` : sql`user_id = ${user}`);

const PAGES: Record<ReportKind, Page> = {
  async session(db, { org, user, range }, after, limit) {
    const further =
      after === null
        ? sql`true`
        : sql`(started_at, id) > (${after[0]}::text::timestamptz, ${after[1]})`;
    return db.execute<ReportRow>(sql`
      with page as (
        select * from sessions where org = ${org} and ${ofUser(user)} and ${further}
          and started_at >= from_epoch_ms(${range.startsAt})
          and started_at < from_epoch_ms(${range.endsAt})
        order by started_at, id limit ${limit}
      )
      select p.id as of, p.user_id as user, epoch_ms(p.started_at) as "startsAt",
        p.started_at::text as exactly, epoch_ms(p.ended_at) as "endsAt", p.state, p.reason, p.recorded_ms as "recordedMs",
        coalesce(u.plan, 0) as "planMs", coalesce(u.extra, 0) as "extraMs",
        coalesce(u.overage, 0) as "overageMs"
      from page p left join lateral (
        select sum(plan_ms) as plan, sum(extra_ms) as extra, sum(overage_ms) as overage
        from usage_tracking where session_month = p.start_month and org = p.org and session = p.id
      ) u on true
      order by p.started_at, p.id`);
  },

  async day(db, { org, user, range }, after, limit) {
    const further =
      after === null ? sql`true` : sql`(day, user_id) > (${after[0]}::date, ${after[1]})`;
    return db.execute<ReportRow>(sql`
      select day::text as of, user_id as user, null as "startsAt", null as "endsAt", null as state,
        null as reason, null as "recordedMs", plan_ms as "planMs", extra_ms as "extraMs",
        overage_ms as "overageMs"
      from daily_usage where org = ${org} and ${ofUser(user)} and ${further}
        and day between ${range.from}::date and ${range.to}::date
      order by day, user_id limit ${limit}`);
  },

  async member(db, { org, user, range }, after, limit) {
    const further = after === null ? sql`true` : sql`user_id > ${after[0]}`;
    return db.execute<ReportRow>(sql`
      select null as of, user_id as user, null as "startsAt", null as "endsAt", null as state,
        null as reason, null as "recordedMs", sum(plan_ms) as "planMs",
        sum(extra_ms) as "extraMs", sum(overage_ms) as "overageMs"
      from daily_usage where org = ${org} and ${ofUser(user)} and ${further}
        and day between ${range.from}::date and ${range.to}::date
      group by user_id order by user_id limit ${limit}`);
  },

  async month(db, { org, user, range }, after, limit) {
    const further =
      after === null
        ? sql`true`
        : sql`(c.period, c.user_id) > (from_epoch_ms(${after[0]}), ${after[1]})`;
    return db.execute<ReportRow>(sql`
      select null as of, c.user_id as user, epoch_ms(b.starts_at) as "startsAt",
        epoch_ms(b.ends_at) as "endsAt", null as state, null as reason, null as "recordedMs",
        c.plan_ms as "planMs", c.extra_ms as "extraMs", c.overage_ms as "overageMs"
      from monthly_usage_cache c join billing_periods b on b.org = c.org and b.starts_at = c.period
      where c.org = ${org} and ${user === null ? sql`true` : sql`c.user_id = ${user}`} and ${further}
        and b.ends_at > from_epoch_ms(${range.startsAt})
        and b.starts_at < from_epoch_ms(${range.endsAt})
      order by c.period, c.user_id limit ${limit}`);
  },
};
