import type postgres from 'postgres';
import type { Unsettled } from '../../core/meter/commands.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { loadLiveBases } from '../../drizzle/queries/load-session-base.ts';
import { readShards } from '../../drizzle/queries/read-shards.ts';
import { writeAudit } from '../ledger/audit.ts';
import { missingMinutes } from '../ledger/fill.ts';
import { groupBy } from '../ledger/grouping.ts';
import { lockShard } from '../ledger/reads.ts';
import { type LedgerContext, writeParts } from '../ledger/settle.ts';
import { type Need, shardsInNeed } from './need.ts';

export interface RecoveryContext extends LedgerContext {
  /** of the server that has the shard, on the connection to it; null while there is none */
  runId(shard: number): string | null;
}

export interface Recovered {
  shard: number;
  generation: number;
  /** sessions that came back from the ledger */
  sessions: number;
}

/** First half of an advisory lock; the second is the shard. Held by whoever recovers it. */
const RECOVERY_LOCK = 7_140_023;
const FIELDS_A_BATCH = 500;
const SESSIONS_A_CALL = 200;

/**
 * Recovers those of the shards that need it and that nobody else is recovering: rule 22 (a) to (d)
 * in core/meter/README.md, many shards at once, since after a restart of Redis all need it. May be
 * cut short anywhere: Postgres then does not say that it came to its end, and the next look begins
 * anew.
 * @throws when Redis or Postgres can't be asked
 */
export async function recover(
  context: RecoveryContext,
  shards: readonly number[],
): Promise<Recovered[]> {
  // In a transaction, which is rejected when its connection is lost; what goes on then is fenced by
  // the generation that the next one raises.
  return (await context.sql.begin(async (tx) => {
    const rows = await tx<{ shard: number }[]>`
      select shard from unnest(${[...shards]}::integer[]) as shard
      where pg_try_advisory_xact_lock(${RECOVERY_LOCK}::integer, shard)`;
    const locked = rows.map((row) => row.shard);
    // Looked at again under the lock: somebody may just have recovered them.
    const needs = await shardsInNeed(context.meter, locked, await readShards(context.db));
    return needs.length === 0 ? [] : await recoverLocked(context, needs);
  })) as Recovered[];
}

async function recoverLocked(context: RecoveryContext, needs: Need[]): Promise<Recovered[]> {
  const { meter, sql, db, wallMs } = context;
  const generations = await raiseGenerations(sql, needs);
  const shards = needs.map((need) => need.shard);
  const clock = await readClock(db);
  const now = meterNow(clock, wallMs());

  await Promise.all(
    [...generations].map(async ([shard, generation]) => {
      // Whatever generation it is of: these are totals, and the ledger keeps the larger.
      await write(context, { shard, generation, now }, await meter.flush(shard));
    }),
  );
  await fill(context, shards, generations, now);

  const sessions = groupBy(await loadLiveBases(db, shards), (it) => String(it.shard));
  await Promise.all(
    [...generations].map(async ([shard, generation]) => {
      const runId = context.runId(shard);
      if (runId === null) throw new Error('Redis was lost while a shard was being recovered.');
      await meter.reset({ shard, runId, generation, clock });
      const mine = sessions.get(String(shard)) ?? [];
      for (let i = 0; i < mine.length; i += SESSIONS_A_CALL) {
        const some = mine.slice(i, i + SESSIONS_A_CALL);
        await meter.adopt({ shard, generation, sessions: some.map(({ shard: _, ...it }) => it) });
      }
    }),
  );
  await Promise.all(
    [...generations].map(([shard, generation]) => meter.announce(shard, generation)),
  );
  await note(sql, generations);
  return [...generations].map(([shard, generation]) => ({
    shard,
    generation,
    sessions: sessions.get(String(shard))?.length ?? 0,
  }));
}

/** (a) Under each shard's lock: from here on work of an older generation is not written. */
async function raiseGenerations(sql: postgres.Sql, needs: Need[]): Promise<Map<number, number>> {
  const ordered = [...needs].sort((a, b) => a.shard - b.shard);
  return (await sql.begin(async (tx) => {
    for (const { shard } of ordered) await lockShard(tx, shard);
    const rows = await tx<{ shard: number; generation: number }[]>`
      update shards s set generation = greatest(s.generation, w."headGeneration") + 1
      from json_to_recordset(${JSON.stringify(ordered)}::json)
        as w (shard smallint, "headGeneration" bigint)
      where s.shard = w.shard returning s.shard, s.generation`;
    return new Map(rows.map((row) => [row.shard, row.generation]));
  })) as Map<number, number>;
}

interface Where {
  shard: number;
  generation: number;
  now: number;
}

/** (b) Older periods first. What Postgres refuses is about to be dropped, and is kept as evidence. */
async function write(context: RecoveryContext, where: Where, items: Unsettled[]): Promise<void> {
  const periodOf = (item: Unsettled) => (item.kind === 'minute' ? item.period : 0);
  const ordered = [...items].sort((a, b) => periodOf(a) - periodOf(b));
  for (let i = 0; i < ordered.length; i += FIELDS_A_BATCH) {
    const some = ordered.slice(i, i + FIELDS_A_BATCH);
    const { parts, stale } = await writeParts(context, some, where);
    if (stale.length > 0) throw new Error(`Shard ${where.shard} is being recovered by another.`);
    const written = new Set(parts.flatMap((part) => part.committed));
    const refused = some.filter((item) => !written.has(item));
    if (refused.length === 0) continue;
    const detail = { ...where, refused };
    await writeAudit(context.db, { actor: 'worker', action: 'recovery.refused', detail });
  }
}

/** (c) */
async function fill(
  context: RecoveryContext,
  shards: number[],
  generations: Map<number, number>,
  now: number,
): Promise<void> {
  const missing = await missingMinutes(context.sql, shards);
  for (const [key, mine] of groupBy(missing, (it) => String(it.shard))) {
    const shard = Number(key);
    await write(context, { shard, generation: generations.get(shard)!, now }, mine);
    context.log.warn({ shard, minutes: mine.length }, 'lost minutes were filled from later ones');
  }
}

async function note(sql: postgres.Sql, generations: Map<number, number>): Promise<void> {
  const shards = [...generations.keys()];
  await sql`
    update shards set recovered_at = now(), recovered_generation = w.generation
    from unnest(${shards}::integer[], ${[...generations.values()]}::bigint[])
      as w (number, generation)
    where shard = w.number`;
  await sql`
    update recoveries r set done_at = now(), generation = s.generation from shards s
    where s.shard = r.shard and r.shard = any(${shards}) and r.done_at is null`;
}
