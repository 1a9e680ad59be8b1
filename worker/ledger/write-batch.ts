import type postgres from 'postgres';
import type { Batch, MinuteChange } from './batch.ts';
import { distinct, minuteKey, periodKey, sessionKey } from './grouping.ts';
import { createDays, growthsOf, split } from './growth.ts';
import {
  type LockedOrganization,
  type LockedPeriod,
  lockOrganizations,
  lockPeriods,
  lockShard,
  readMinutes,
  readSessions,
} from './reads.ts';
import { rollUp } from './roll-up.ts';
import { noteShadowStops } from './shadow.ts';
import { readSums, type Sums } from './sums.ts';
import { together } from './together.ts';
import { closeSessions, upsertSessions, writeAlerts, writeBurns, writeMinutes } from './writes.ts';

type Sql = postgres.TransactionSql;

/** What the meter is told of a batch that is in the ledger now. */
export interface Settled extends Sums {
  /** minute records that are new */
  minutes: number;
  /** metered time that is new to the ledger */
  grownMs: number;
}

/** The batch is of another generation than the shard is by now; nothing was written. */
export class StaleGeneration extends Error {
  override name = 'StaleGeneration';
}
/** The ledger has no row of a period that a minute names. */
export class PeriodMissing extends Error {
  override name = 'PeriodMissing';
  readonly org: string;
  readonly period: number;
  constructor(org: string, period: number) {
    super(`The ledger has no period of ${org} that begins at ${new Date(period).toISOString()}.`);
    this.org = org;
    this.period = period;
  }
}
/** The ledger knows nothing of an organization that the meter has use of. */
export class OrganizationMissing extends Error {
  override name = 'OrganizationMissing';
}

export interface BatchOptions {
  shard: number;
  /** of the meter's shard when the batch was read; a recovery names its own, new one */
  generation: number;
  /** meter instant; names the local day of new minutes */
  now: number;
  /** how growth is split; left out: by the burn order, from all lots that serve */
  split?: typeof split;
}

/**
 * Writes a batch in one transaction under the shard's lock: minutes keep the larger figure, only
 * what they grew by is split (README.md), and the same batch again changes nothing. What needs no
 * answer before the next is sent goes together, so that it takes four round trips, five with lots.
 * @throws StaleGeneration, PeriodMissing, OrganizationMissing, and what Postgres refuses
 */
export function writeBatch(
  sql: postgres.Sql,
  batch: Batch,
  options: BatchOptions,
): Promise<Settled> {
  return sql.begin((tx) => writeBatchIn(tx, batch, options)) as Promise<Settled>;
}

/** The same in a transaction that writes more than the batch, or none of both. */
export async function writeBatchIn(
  tx: Sql,
  batch: Batch,
  { shard, generation, now, ...given }: BatchOptions,
): Promise<Settled> {
  const [, orgs, , sessions, periods, minutes] = await together([
    lockGeneration(tx, shard, generation),
    lockAll(tx, batch),
    upsertSessions(tx, generation, batch.sessions),
    readSessions(tx, batch.sessions),
    periodsOf(tx, batch.minutes),
    readMinutes(tx, batch.minutes),
  ]);
  const months = new Map(sessions.map((it) => [sessionKey(it), it.month]));
  const named = batch.minutes.map((it) => ({ ...it, month: months.get(sessionKey(it))! }));
  const stored = new Map(minutes.map((it) => [minuteKey(it), it]));
  const grown = growthsOf(named, stored, createDays(orgs, periods, now));
  await (given.split ?? split)(tx, grown, periods);
  const written = together([
    ...writeMinutes(tx, grown),
    ...writeBurns(tx, grown),
    ...rollUp(tx, grown, now),
    ...closeSessions(
      tx,
      sessions.filter((it) => it.state !== 'live'),
    ),
    ...writeAlerts(tx, batch.alerts),
    ...noteShadowStops(tx, grown, periods, now),
  ]);
  const [, sums] = await together([written, readSums(tx, batch)]);
  return {
    ...sums,
    minutes: grown.filter((it) => !stored.has(minuteKey(it))).length,
    grownMs: grown.reduce((sum, it) => sum + it.growth.ms, 0),
  };
}

async function lockGeneration(tx: Sql, shard: number, generation: number): Promise<void> {
  const present = await lockShard(tx, shard);
  if (present === generation) return;
  throw new StaleGeneration(`Shard ${shard} is of generation ${present}, not ${generation}.`);
}

async function lockAll(tx: Sql, batch: Batch): Promise<Map<string, LockedOrganization>> {
  const ids = [...new Set([...batch.sessions, ...batch.alerts].map((it) => it.org))];
  const found = new Map((await lockOrganizations(tx, ids)).map((row) => [row.org, row]));
  for (const id of ids) {
    if (!found.has(id)) throw new OrganizationMissing(`The ledger has no organization ${id}.`);
  }
  return found;
}

async function periodsOf(tx: Sql, minutes: MinuteChange[]): Promise<Map<string, LockedPeriod>> {
  const wanted = distinct(minutes, periodKey).map(({ org, period }) => ({ org, period }));
  const found = new Map((await lockPeriods(tx, wanted)).map((row) => [periodKey(row), row]));
  for (const it of wanted) {
    if (!found.has(periodKey(it))) throw new PeriodMissing(it.org, it.period);
  }
  return found;
}
