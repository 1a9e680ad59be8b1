import type postgres from 'postgres';
import type { Batch, MinuteChange } from './batch.ts';
import { distinct, minuteKey, periodKey, sessionKey } from './grouping.ts';
import { dayOf, growthsOf, split } from './growth.ts';
import {
  type LockedOrganization,
  type LockedPeriod,
  lockOrganizations,
  lockPeriods,
  lockShard,
  readMinutes,
} from './reads.ts';
import { readSums, type Sums } from './sums.ts';
import {
  closeSessions,
  rollUp,
  upsertSessions,
  writeAlerts,
  writeBurns,
  writeMinutes,
} from './writes.ts';

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
}

/**
 * Writes a batch in one transaction under the shard's lock: minutes keep the larger figure, only
 * what they grew by is split (README.md), and the same batch again changes nothing.
 * @throws StaleGeneration, PeriodMissing, OrganizationMissing, and what Postgres refuses
 */
export function writeBatch(
  sql: postgres.Sql,
  batch: Batch,
  { shard, generation, now }: BatchOptions,
): Promise<Settled> {
  return sql.begin(async (tx) => {
    const present = await lockShard(tx, shard);
    if (present !== generation) {
      throw new StaleGeneration(`Shard ${shard} is of generation ${present}, not ${generation}.`);
    }
    const orgs = await lockAll(tx, batch);
    const months = new Map(
      (await upsertSessions(tx, generation, batch.sessions)).map((it) => [
        sessionKey(it),
        it.month,
      ]),
    );
    const periods = await periodsOf(tx, batch.minutes);
    const named = batch.minutes.map((it) => ({ ...it, month: months.get(sessionKey(it))! }));
    const stored = new Map(
      (named.length === 0 ? [] : await readMinutes(tx, named)).map((it) => [minuteKey(it), it]),
    );
    const grown = growthsOf(named, stored, (it) => dayOf(it, orgs, periods, now));
    await split(tx, grown, periods);
    if (grown.length > 0) await writeMinutes(tx, grown);
    await writeBurns(tx, grown);
    await rollUp(tx, grown);
    await closeSessions(tx, batch.sessions);
    await writeAlerts(tx, batch.alerts);
    return {
      ...(await readSums(tx, batch)),
      minutes: grown.filter((it) => !stored.has(minuteKey(it))).length,
      grownMs: grown.reduce((sum, it) => sum + it.growth.ms, 0),
    };
  }) as Promise<Settled>;
}

async function lockAll(tx: Sql, batch: Batch): Promise<Map<string, LockedOrganization>> {
  const ids = [...new Set([...batch.sessions, ...batch.alerts].map((it) => it.org))];
  const rows = ids.length === 0 ? [] : await lockOrganizations(tx, ids);
  const found = new Map(rows.map((row) => [row.org, row]));
  for (const id of ids) {
    if (!found.has(id)) throw new OrganizationMissing(`The ledger has no organization ${id}.`);
  }
  return found;
}

async function periodsOf(tx: Sql, minutes: MinuteChange[]): Promise<Map<string, LockedPeriod>> {
  const wanted = distinct(minutes, periodKey).map(({ org, period }) => ({ org, period }));
  const rows = wanted.length === 0 ? [] : await lockPeriods(tx, wanted);
  const found = new Map(rows.map((row) => [periodKey(row), row]));
  for (const it of wanted) {
    if (!found.has(periodKey(it))) throw new PeriodMissing(it.org, it.period);
  }
  return found;
}
