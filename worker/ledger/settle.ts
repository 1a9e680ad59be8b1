import { setTimeout as sleep } from 'node:timers/promises';
import type postgres from 'postgres';
import type { Meter, Unsettled } from '../../core/meter/commands.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { Database } from '../../drizzle/client.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { batchOf } from './batch.ts';
import { groupBy, sessionKey } from './grouping.ts';
import { reassert } from './reassert.ts';
import { PeriodMissing, type Settled, StaleGeneration, writeBatch } from './write-batch.ts';

/** What everything that touches the ledger is given. */
export interface LedgerContext {
  meter: Meter;
  db: Database;
  sql: postgres.Sql;
  log: Log;
  /** real wall clock */
  wallMs: () => number;
}

export type SettleOutcome =
  /** the shard has to be recovered before anything of it can be settled */
  | { status: 'recover' }
  | {
      status: 'settled';
      /** fields that were read */
      fields: number;
      /** fields that the ledger has now */
      committed: number;
      /** minute records that are new */
      minutes: number;
      grownMs: number;
      /** fields that Postgres refuses; they stay in the set, and are logged */
      refused: number;
    };

/** A recovery takes two seconds, and begins a second after Redis is back. */
const REASSERT_PATIENCE_MS = 60_000;
const REASSERT_PAUSE_MS = 250;
const NOTHING = { fields: 0, committed: 0, minutes: 0, grownMs: 0, refused: 0 };

/**
 * Settles fields of a shard's unsettled set: reads their present values, writes them in one
 * transaction, tells the meter (rules 10–13 in core/meter/README.md). Every step may be repeated,
 * reordered, or done by two workers at once.
 * @param ask fields by name, or any, up to a limit
 * @throws when Redis or Postgres can't be asked: repeat it later
 */
export async function settle(
  context: LedgerContext,
  shard: number,
  ask: { limit: number } | { fields: string[] },
): Promise<SettleOutcome> {
  const pending = await context.meter.pending(shard, ask);
  if (pending.status === 'recover') return pending;
  const { items, generation, now } = pending;
  if (items.length === 0) return { status: 'settled', ...NOTHING };
  const present = items.filter((item) => item.generation === generation);
  const old = items.filter((item) => item.generation !== generation);
  const { parts, refused, stale } = await writeParts(context, present, { shard, generation, now });
  if (old.length + stale.length > 0) await reassertPatiently(context, [...old, ...stale]);
  if (stale.length > 0) return { status: 'recover' };
  for (const { settled, committed } of parts) {
    const reply = await context.meter.settled({
      shard,
      generation,
      removed: committed.map(({ field, value }) => ({ field, value })),
      budgets: settled.budgets,
      accounts: settled.accounts,
    });
    if (reply.status !== 'ok') return { status: 'recover' };
  }
  return {
    status: 'settled',
    fields: items.length,
    committed: sum(parts, (it) => it.committed.length),
    minutes: sum(parts, (it) => it.settled.minutes),
    grownMs: sum(parts, (it) => it.settled.grownMs),
    refused,
  };
}

/** Only this process may still know of them, so it waits until the shard has been recovered. */
async function reassertPatiently(context: LedgerContext, items: Unsettled[]): Promise<void> {
  const { log } = context;
  for (let waitedMs = 0; !(await reassert(context, items)); waitedMs += REASSERT_PAUSE_MS) {
    if (waitedMs >= REASSERT_PATIENCE_MS) {
      log.error({ fields: items.length }, 'work of an older generation could not be given back');
      return;
    }
    await sleep(REASSERT_PAUSE_MS);
  }
}

interface Part {
  settled: Settled;
  committed: Unsettled[];
}
interface Where {
  shard: number;
  generation: number;
  now: number;
}

const sum = <T>(items: T[], of: (item: T) => number) =>
  items.reduce((total, item) => total + of(item), 0);

/**
 * Writes all at once if it can be. If Postgres refuses a batch, its halves are tried, so that one
 * poisoned session does not keep the others of its shard out of the ledger.
 */
export async function writeParts(
  context: LedgerContext,
  items: Unsettled[],
  where: Where,
): Promise<{ parts: Part[]; refused: number; stale: Unsettled[] }> {
  if (items.length === 0) return { parts: [], refused: 0, stale: [] };
  try {
    const settled = await writeWithPeriods(context, items, where);
    return { parts: [{ settled, committed: items }], refused: 0, stale: [] };
  } catch (error) {
    if (error instanceof StaleGeneration) return { parts: [], refused: 0, stale: items };
    if (!isRefusal(error)) throw error;
    const groups = [...groupBy(items, ownerOf).values()];
    if (groups.length === 1) {
      const fields = items.slice(0, 10).map((it) => `${it.field}=${it.value}`);
      context.log.error({ err: error, shard: where.shard, fields }, 'the ledger refuses fields');
      return { parts: [], refused: items.length, stale: [] };
    }
    const middle = Math.ceil(groups.length / 2);
    const left = await writeParts(context, groups.slice(0, middle).flat(), where);
    const right = await writeParts(context, groups.slice(middle).flat(), where);
    return {
      parts: [...left.parts, ...right.parts],
      refused: left.refused + right.refused,
      stale: [...left.stale, ...right.stale],
    };
  }
}

function ownerOf(item: Unsettled): string {
  if (item.kind === 'alert') return item.budget;
  return sessionKey(item.kind === 'session' ? item.row : item);
}

/** The first session of a new period may come before its row: whoever comes first makes it. */
async function writeWithPeriods(
  { sql, db }: LedgerContext,
  items: Unsettled[],
  where: Where,
): Promise<Settled> {
  const batch = batchOf(items);
  const made = new Set<string>();
  for (;;) {
    try {
      return await writeBatch(sql, batch, where);
    } catch (error) {
      if (!(error instanceof PeriodMissing) || made.has(error.message)) throw error;
      made.add(error.message);
      await ensurePeriod(db, error.org, error.period);
    }
  }
}

/** Classes of SQLSTATE in which the data are at fault: repeating would not help. */
const REFUSALS = new Set(['22', '23']);

function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'PeriodMissing' || error.name === 'OrganizationMissing') return true;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && REFUSALS.has(code.slice(0, 2));
}
