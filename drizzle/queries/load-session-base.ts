import { sql } from 'drizzle-orm';
import type { LedgerBase } from '../../core/meter/rows.ts';
import type { Queryable } from '../client.ts';

/** What the ledger knows of a session, and whose it is. */
export interface KnownSession {
  session: string;
  org: string;
  user: string;
  base: LedgerBase;
  /** when it ended, once the ledger has all of it; null before */
  closedAt: number | null;
}

interface Row extends Record<string, unknown> {
  session: string;
  org: string;
  user: string;
  startedAt: number;
  ended: boolean;
  reason: string | null;
  overshootMs: number;
  closedAt: number | null;
  firstPeriod: number;
  /** ascending by period; null: nothing is settled */
  settled: { period: number; ms: number; planMs: number; extraMs: number }[] | null;
}

/**
 * Settled time by period as marks: where it stood when each period began. A period in which nothing
 * is settled yet has none, even if the session was seen there: what a witness says of the time
 * before it could then not be charged where it belongs, since charging never goes back a period.
 */
function baseOf(row: Row): LedgerBase {
  const marks = [{ period: row.firstPeriod, chargedMs: 0 }];
  let chargedMs = 0;
  let [planMs, extraMs] = [0, 0];
  for (const { period, ms, ...by } of row.settled ?? []) {
    if (period > marks.at(-1)!.period) marks.push({ period, chargedMs });
    chargedMs += ms;
    planMs += by.planMs;
    extraMs += by.extraMs;
  }
  return {
    startedAt: row.startedAt,
    ended: row.ended,
    reason: row.reason ?? '',
    overshootMs: row.overshootMs,
    marks,
    chargedMs,
    bySource: { planMs, extraMs, overageMs: chargedMs - planMs - extraMs },
  };
}

function knownOf(row: Row): KnownSession {
  const { session, org, user, closedAt } = row;
  return { session, org, user, base: baseOf(row), closedAt };
}

/** One statement, so that row and minutes are of one snapshot. */
const SESSION_WITH_MINUTES = sql`
  select s.id as session, s.org, s.user_id as user, epoch_ms(s.started_at) as "startedAt",
    s.state <> 'live' as ended, s.reason, s.overshoot_ms as "overshootMs",
    case when s.state = 'closed' then epoch_ms(s.ended_at) end as "closedAt",
    epoch_ms(s.first_period) as "firstPeriod",
    (select json_agg(json_build_object('period', epoch_ms(period), 'ms', ms,
       'planMs', plan_ms, 'extraMs', extra_ms) order by period)
     from (select period, sum(ms) as ms, sum(plan_ms) as plan_ms, sum(extra_ms) as extra_ms
           from usage_tracking
           where session_month = s.start_month and org = s.org and session = s.id
           group by period) by_period) as settled
  from sessions s`;

/** null: the ledger knows nothing of it (rule 16 in core/meter/README.md). */
export async function loadSessionBase(
  db: Queryable,
  org: string,
  session: string,
): Promise<KnownSession | null> {
  const [row] = await db.execute<Row>(
    sql`${SESSION_WITH_MINUTES} where s.org = ${org} and s.id = ${session}`,
  );
  if (row === undefined) return null;
  return knownOf(row);
}

/** All sessions of these shards that have not ended, for a recovery. */
export async function loadLiveBases(
  db: Queryable,
  shards: number[],
): Promise<(KnownSession & { shard: number })[]> {
  const rows = await db.execute<Row & { shard: number }>(sql`
    select base.*, shard_of(base.org) as shard from (${SESSION_WITH_MINUTES}
      where s.state = 'live' and s.shard = any(${sql.param(shards)}::smallint[])) base`);
  return rows.map((row) => ({ shard: row.shard, ...knownOf(row) }));
}
