import type postgres from 'postgres';
import type { Database } from '../../drizzle/client.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { numbers, words } from '../../worker/ledger/columns.ts';
import { distinct, minuteKey, sessionKey } from '../../worker/ledger/grouping.ts';
import { lockShard, readMinutes } from '../../worker/ledger/reads.ts';
import { writeBatchIn } from '../../worker/ledger/write-batch.ts';
import { historySplit, type Sources } from './history-split.ts';
import { IMPORTED, type PackedSession, pack, type WaitingRow } from './pack.ts';
import { MINUTE_MS } from './usage-row.ts';

type Tx = postgres.TransactionSql;

/** One transaction: two seconds at most, in which the shard's live sessions wait to be settled. */
export const ROWS_A_TURN = 5_000;
/** Locks that are waited for in vain, and deadlocks: the turn is begun anew. */
const RETRIED = new Set(['55P03', '40P01', '40001']);
const TRIES = 10;

export interface SettleContext {
  sql: postgres.Sql;
  db: Database;
  actor: string;
  wallMs: () => number;
  rowsATurn: number;
}

export interface Turn extends Sources {
  rows: number;
  minutes: number;
  ms: number;
  generation: number;
  /** rows of sessions that were measured here meanwhile */
  dropped: number;
  isLast: boolean;
}

const NOTHING = { rows: 0, minutes: 0, ms: 0, planMs: 0, extraMs: 0, overageMs: 0 };

/** Shards with rows that the ledger has not. */
export async function waitingShards(sql: postgres.Sql): Promise<number[]> {
  const rows = await sql<{ shard: number }[]>`
    select distinct shard from import_rows where taken_ms < ms order by shard`;
  return rows.map((it) => it.shard);
}

/** Makes the periods and the partitions that a shard's rows need, before anything is locked. */
export async function preparePeriods({ sql, db }: SettleContext, shard: number): Promise<number> {
  const months = await sql<{ month: string }[]>`
    select distinct date_trunc('month', at at time zone 'UTC')::date::text as month
    from import_rows where shard = ${shard} and taken_ms < ms`;
  for (const { month } of months) await sql`select make_usage_partitions(${month}::date, 1)`;
  let made = 0;
  for (;;) {
    const missing = await sql<{ org: string; at: number }[]>`
      select r.org, epoch_ms(min(r.at)) as at from import_rows r
      where r.shard = ${shard} and r.taken_ms < r.ms and not exists (
        select from billing_periods b
        where b.org = r.org and b.starts_at <= r.at and b.ends_at > r.at)
      group by r.org, date_trunc('month', r.at) order by 1, 2`;
    if (missing.length === 0) return made;
    for (const { org, at } of missing) {
      const period = await ensurePeriod(db, org, at);
      if (period === null) throw new Error(`The organization ${org} is gone.`);
      made += 1;
    }
  }
}

const waitingRows = (tx: Tx, shard: number, limit: number) => tx<WaitingRow[]>`
  select r.org, r.session, r.user_id as user, epoch_ms(r.at) as at, r.ms, r.taken_ms as "takenMs",
    r.purchase, epoch_ms(b.starts_at) as period
  from (select * from import_rows where shard = ${shard} and taken_ms < ms
        order by org, at, session limit ${limit}) r
  join billing_periods b on b.org = r.org and b.starts_at <= r.at and b.ends_at > r.at
  order by r.org, r.at, r.session`;

interface KnownSession extends PackedSession {
  org: string;
  session: string;
  reason: string | null;
}

async function knownSessions(tx: Tx, rows: readonly WaitingRow[]): Promise<KnownSession[]> {
  const wanted = distinct(rows, sessionKey);
  return tx<KnownSession[]>`
    select s.org, s.id as session, epoch_ms(s.started_at) as "startedAt",
      s.settled_ms as "settledMs", s.reason
    from unnest(${words(wanted.map((it) => it.org))}::text[],
      ${words(wanted.map((it) => it.session))}::text[]) as w (org, session)
    join sessions s on s.org = w.org and s.id = w.session`;
}

/** Rows of sessions that the meter began to measure while they waited: what measured them has them. */
const dropForeign = (tx: Tx, sessions: readonly KnownSession[]) => tx`
  delete from import_rows r
  using unnest(${words(sessions.map((it) => it.org))}::text[],
    ${words(sessions.map((it) => it.session))}::text[]) as w (org, session)
  where r.org = w.org and r.session = w.session and r.taken_ms = 0`;

const markTaken = (tx: Tx, rows: readonly WaitingRow[]) => tx`
  update import_rows r set taken_ms = w.ms
  from unnest(${words(rows.map((it) => it.org))}::text[],
    ${words(rows.map((it) => it.session))}::text[], ${numbers(rows.map((it) => it.at))}::bigint[],
    ${numbers(rows.map((it) => it.ms))}::integer[]) as w (org, session, at, ms)
  where r.org = w.org and r.session = w.session and r.at = from_epoch_ms(w.at)`;

/**
 * The meter is never told figures: its shard is recovered (rule 22), which makes its counters anew
 * from the ledger. In the same transaction, so there is no time at which the ledger has minutes of
 * which the meter will not hear. Who uses the running period is told too, so thresholds are crossed.
 */
async function tellMeter(
  tx: Tx,
  { shard, actor, now, orgs }: { shard: number; actor: string; now: number; orgs: string[] },
): Promise<number> {
  const [row] = await tx<{ generation: number }[]>`
    update shards set generation = generation + 1 where shard = ${shard} returning generation`;
  await tx`
    insert into recoveries (shard, requested_by) select ${shard}, ${actor}
    where not exists (select from recoveries where shard = ${shard} and done_at is null)`;
  await tx`
    insert into meter_outbox (org)
    select distinct b.org from billing_periods b
    where b.org = any(${orgs}) and b.ends_at > from_epoch_ms(${now}) and b.used_ms > 0
      and not exists (select from meter_outbox m where m.org = b.org and m.user_id is null)
    order by 1`;
  return row!.generation;
}

async function turn(context: SettleContext, shard: number, now: number): Promise<Turn | null> {
  const limit = context.rowsATurn;
  return (await context.sql.begin(async (tx) => {
    const generation = await lockShard(tx, shard);
    const waiting = await waitingRows(tx, shard, limit);
    if (waiting.length === 0) return null;
    const sessions = await knownSessions(tx, waiting);
    const foreign = sessions.filter((it) => it.reason !== IMPORTED);
    const names = new Set(foreign.map(sessionKey));
    const rows = waiting.filter((it) => !names.has(sessionKey(it)));
    const dropped = foreign.length === 0 ? 0 : (await dropForeign(tx, foreign)).count;
    const isLast = waiting.length < limit;
    if (rows.length === 0) return { ...NOTHING, generation, dropped, isLast };
    const open = sessions.map(({ org, session, settledMs }) => {
      return { org, session, minute: Math.floor(settledMs / MINUTE_MS) };
    });
    const stored = open.length === 0 ? [] : await readMinutes(tx, open);
    const { parts, ...packed } = pack(
      rows,
      new Map(sessions.map((it) => [sessionKey(it), it])),
      new Map(stored.map((it) => [minuteKey(it), it.ms])),
    );
    const sums = { planMs: 0, extraMs: 0, overageMs: 0 };
    const settled = await writeBatchIn(
      tx,
      { ...packed, alerts: [] },
      { shard, generation, now, split: historySplit(parts, now, sums) },
    );
    const ms = parts.reduce((sum, it) => sum + it.ms, 0);
    if (settled.grownMs !== ms) {
      throw new Error(`The ledger grew by ${settled.grownMs} ms of ${ms}, in shard ${shard}.`);
    }
    await tx`
      update sessions s set ended_at = greatest(s.ended_at, from_epoch_ms(w.at))
      from unnest(${words(packed.sessions.map((it) => it.org))}::text[],
        ${words(packed.sessions.map((it) => it.session))}::text[],
        ${numbers(packed.sessions.map((it) => it.endedAt ?? 0))}::bigint[]) as w (org, session, at)
      where s.org = w.org and s.id = w.session`;
    await markTaken(tx, rows);
    const orgs = [...new Set(rows.map((it) => it.org))];
    const raised = await tellMeter(tx, { shard, actor: context.actor, now, orgs });
    return {
      ...{ rows: rows.length, minutes: settled.minutes, ms, generation: raised },
      ...sums,
      dropped,
      isLast,
    };
  })) as Turn | null;
}

/**
 * Settles the next rows of a shard in one transaction: minutes, what the ledger has of each row, and
 * the word to the meter, all or nothing. null: none is left.
 */
export async function settleTurn(context: SettleContext, shard: number): Promise<Turn | null> {
  for (let tries = 1; ; tries++) {
    const now = meterNow(await readClock(context.db), context.wallMs());
    try {
      return await turn(context, shard, now);
    } catch (error) {
      if (!RETRIED.has((error as { code?: string }).code ?? '') || tries >= TRIES) throw error;
    }
  }
}
