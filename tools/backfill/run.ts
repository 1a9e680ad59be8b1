import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseConnection } from '../../drizzle/client.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { writeAudit } from '../../worker/ledger/audit.ts';
import { type AccountCounts, createAccounts } from './accounts.ts';
import { type CacheComparison, compareCache } from './cache.ts';
import { KINDS, type Kind } from './columns.ts';
import { type Forecast, forecast } from './forecast.ts';
import type { Sources } from './history-split.ts';
import { importLots, type LotCounts } from './lots.ts';
import { createReading, type ReadOptions } from './reading.ts';
import { importSessionTimes, type SessionCounts } from './session-times.ts';
import {
  preparePeriods,
  ROWS_A_TURN,
  type SettleContext,
  settleTurn,
  waitingShards,
} from './settle-rows.ts';
import { createSkips, type Skipped } from './skips.ts';
import { type Source, SourceError, type SourceTable } from './source.ts';
import { openStage } from './stage.ts';
import { stageSessions, stageUsage, type UsageCounts } from './usage.ts';

export interface BackfillOptions extends Omit<ReadOptions, 'now'> {
  isDryRun: boolean;
  /** of the files with rejected rows; null: none are written */
  rejects: string | null;
  /** rows in a transaction; for tests */
  rowsATurn?: number;
  /** how long a shard's recovery is waited for; for tests, which have no worker */
  recoveryPatienceMs?: number;
}

export interface BackfillContext {
  connection: DatabaseConnection;
  source: Source;
  say: (line: string) => void;
  /** who, for audit_log */
  actor: string;
  wallMs: () => number;
  /** ends it between two transactions, as a kill would; for tests */
  checkpoint?: () => void;
}

export interface Written extends Sources {
  rows: number;
  minutes: number;
  ms: number;
  periods: number;
  shards: number;
  /** rows that waited, of sessions that were measured here meanwhile */
  dropped: number;
}

export interface BackfillReport {
  isDryRun: boolean;
  source: string;
  tables: { kind: Kind; name: string; rows: number }[];
  accounts: AccountCounts;
  lots: LotCounts;
  usage: UsageCounts;
  sessions: SessionCounts;
  skipped: Skipped[];
  /** files with what was rejected */
  rejects: string[];
  /** what is settled by this run; in a dry run what would be */
  forecast: Forecast;
  cache: CacheComparison | null;
  /** null: a dry run */
  written: Written | null;
  tookMs: number;
}

const SAY_EVERY_MS = 2_000;
/** A worker recovers a shard within a second or two; where none runs, nobody is waited for again. */
const RECOVERY_PATIENCE_MS = 5_000;
const POLL_MS = 100;

/** Progress, not oftener than somebody can read. */
function createProgress(say: (line: string) => void) {
  let saidAt = performance.now();
  return (line: () => string) => {
    if (performance.now() - saidAt < SAY_EVERY_MS) return;
    saidAt = performance.now();
    say(line());
  };
}

/** A misnamed column is found before anything is written. */
function checkColumns(tables: readonly SourceTable[], options: ReadOptions): void {
  for (const table of tables) createReading(table.kind, table, options);
}

/**
 * Imports a source: accounts, lots, usage to where it waits, then what waits into the ledger, shard by
 * shard in turns. May be cut short anywhere and be run again: what is done is not done twice.
 * @throws ColumnError, SourceError, and what the stores say
 */
export async function backfill(
  { connection, source, say, actor, wallMs, checkpoint = () => {} }: BackfillContext,
  given: BackfillOptions,
): Promise<BackfillReport> {
  const startedAt = performance.now();
  const { sql, db } = connection;
  const { isDryRun } = given;
  const now = meterNow(await readClock(db), wallMs());
  const options = { ...given, now };
  const ordered = KINDS.flatMap((kind) => source.tables.filter((it) => it.kind === kind));
  checkColumns(ordered, options);
  if (ordered.length === 0) throw new SourceError(`${source.name} has nothing that is known.`);
  const hasUsage = ordered.some((it) => it.kind === 'usage');

  const skips = createSkips(given.rejects);
  const report: BackfillReport = {
    ...{ isDryRun, source: source.name, tables: [], skipped: [], rejects: [], tookMs: 0 },
    accounts: { organizations: 0, members: 0 },
    lots: { made: 0, grantedMs: 0, leftMs: 0, lowered: 0, loweredMs: 0 },
    usage: { taken: 0, raised: 0, cutMs: 0, ambiguous: 0 },
    sessions: { matched: 0, withoutUsage: 0, differing: 0, examples: [] },
    ...{ cache: null, written: null },
    forecast: { months: [], crowded: none(), overlapping: none() },
  };
  const progress = createProgress(say);
  const counting = (table: SourceTable) => {
    const counted = { kind: table.kind, name: table.name, rows: 0 };
    report.tables.push(counted);
    return (rows: number) => {
      checkpoint();
      counted.rows += rows;
      progress(() => `${table.name}: ${counted.rows} rows read`);
    };
  };
  const audit = (action: string, detail: object) =>
    isDryRun
      ? null
      : writeAudit(db, { actor, action, subject: source.name, detail: { ...detail } });

  try {
    await audit('backfill.begin', { tables: ordered.map(({ kind, name }) => `${kind} ${name}`) });
    const stage = await openStage(sql, isDryRun);
    const accounts = createAccounts(sql, options, skips);
    report.accounts = accounts.counts;
    const each = async (kind: Kind, run: (table: SourceTable) => Promise<void>) => {
      for (const table of ordered.filter((it) => it.kind === kind)) await run(table);
    };
    await each('organizations', (it) => accounts.importOrganizations(it, counting(it)));
    await each('members', (it) => accounts.importMembers(it, counting(it)));
    await each('lots', (it) => {
      const { lots: counts } = report;
      return importLots(sql, it, options, { accounts, skips, counts, read: counting(it) });
    });
    const usageOf = (it: SourceTable) => {
      return { stage, accounts, skips, counts: report.usage, read: counting(it) };
    };
    await each('usage', (it) => stageUsage(it, options, usageOf(it)));
    if (!hasUsage) await each('sessions', (it) => stageSessions(it, options, usageOf(it)));
    if (given.until !== null) skips.count('afterUntil', await stage.dropFrom(given.until));
    report.forecast = await forecast(sql, given.zone);
    if (!isDryRun) {
      const { rowsATurn = ROWS_A_TURN, recoveryPatienceMs = RECOVERY_PATIENCE_MS } = given;
      const context = { sql, db, actor, wallMs, rowsATurn, recoveryPatienceMs };
      report.written = await settleAll(context, progress, checkpoint);
    }
    if (hasUsage) {
      await each('sessions', (it) => {
        const { sessions: counts } = report;
        return importSessionTimes(sql, it, options, {
          accounts,
          skips,
          counts,
          read: counting(it),
        });
      });
    }
    await each('cache', async (it) => {
      report.cache = await compareCache(sql, it, options, { skips, read: counting(it) });
    });
    report.skipped = skips.all();
    report.rejects = skips.files();
    const { tables, accounts: made, lots, usage, written, skipped } = report;
    const counts = skipped.map(({ kind, rows }) => [kind, rows] as const);
    const detail = { tables, accounts: made, lots, usage, written };
    await audit('backfill.end', { ...detail, skipped: Object.fromEntries(counts) });
  } finally {
    skips.stop();
  }
  report.tookMs = Math.round(performance.now() - startedAt);
  return report;
}

const none = () => ({ count: 0, examples: [] });

/** Shards take turns, so that each has been recovered when its next turn comes. */
async function settleAll(
  context: SettleContext & { recoveryPatienceMs: number },
  progress: (line: () => string) => void,
  checkpoint: () => void,
): Promise<Written> {
  const written: Written = {
    ...{ rows: 0, minutes: 0, ms: 0, planMs: 0, extraMs: 0, overageMs: 0 },
    ...{ periods: 0, shards: 0, dropped: 0 },
  };
  let isSomebodyThere = true;
  const queue = (await waitingShards(context.sql)).map((shard) => ({ shard, generation: -1 }));
  written.shards = queue.length;
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { shard, generation } = next;
    if (generation === -1) written.periods += await preparePeriods(context, shard);
    else if (isSomebodyThere) isSomebodyThere = await waitForRecovery(context, shard, generation);
    checkpoint();
    const turn = await settleTurn(context, shard);
    if (turn === null) continue;
    for (const of of ['rows', 'minutes', 'ms', 'planMs', 'extraMs', 'overageMs'] as const) {
      written[of] += turn[of];
    }
    written.dropped += turn.dropped;
    progress(() => `${written.rows} rows settled, ${queue.length + 1} shards to go`);
    if (!turn.isLast) queue.push({ shard, generation: turn.generation });
  }
  return written;
}

/** False: nobody recovers it; the ledger is right all the same, and the next worker sees to it. */
async function waitForRecovery(
  { sql, recoveryPatienceMs }: SettleContext & { recoveryPatienceMs: number },
  shard: number,
  generation: number,
): Promise<boolean> {
  const until = performance.now() + recoveryPatienceMs;
  while (performance.now() < until) {
    const [row] = await sql<{ isDone: boolean }[]>`
      select recovered_generation >= ${generation} as "isDone" from shards where shard = ${shard}`;
    if (row!.isDone) return true;
    await sleep(POLL_MS);
  }
  return false;
}
