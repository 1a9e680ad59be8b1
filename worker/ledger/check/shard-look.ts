import type postgres from 'postgres';
import type { BudgetName } from '../../../core/meter/budget-name.ts';
import type { Meter } from '../../../core/meter/commands.ts';
import { driftsOf, judgeDrifts, readSettled } from './drift.ts';
import type { Finding } from './finding.ts';
import { judgeOrphans, judgeSilent, judgeStale, readMeterSide } from './meter-checks.ts';
import { type MeterReading, readShard, unmoved } from './meter-reading.ts';
import { inSnapshot } from './snapshot.ts';

export interface ShardContext {
  meter: Pick<Meter, 'pending' | 'shardSessions' | 'readBudgets'>;
  sql: postgres.Sql;
}

export interface ShardAsk {
  /** budgets to judge beside those that open sessions draw on */
  names?: readonly BudgetName[];
  /** organizations whose limits and open sessions are compared too */
  orgs?: string[];
  /** meter seconds in a real one */
  speed?: number;
}

export interface ShardLook {
  reading: MeterReading;
  /** budgets that could be judged; the others moved meanwhile */
  judged: BudgetName[];
  /** what one look saw: to be believed when a second one says the same (rule 14) */
  findings: Finding[];
}

/**
 * Compares a shard of the meter with the ledger: Redis is read first, then one snapshot of Postgres,
 * then the budgets once more, and only those that stood still are judged. null: the shard has to be
 * recovered first, or too much is unsettled.
 * @throws when Redis or Postgres can't be asked
 */
export async function lookAtShard(
  { meter, sql }: ShardContext,
  shard: number,
  { names = [], orgs = [], speed = 1 }: ShardAsk = {},
): Promise<ShardLook | null> {
  const reading = await readShard(meter, shard, names);
  if (reading === null) return null;
  const isEmpty = reading.budgets.length === 0 && orgs.length === 0;
  if (isEmpty) return { reading, judged: [], findings: judgeSilent(reading, speed) };
  const { settled, stale, orphans } = await inSnapshot(sql, async (tx) => {
    const side = await readSettled(tx, reading);
    const [stale, orphans] = await readMeterSide(tx, reading, orgs);
    return { settled: side, stale, orphans };
  });
  const judged = await unmoved(meter, reading);
  if (judged === null) return null;
  return {
    reading,
    judged: judged.map((row) => row.name),
    findings: [
      ...judgeDrifts(driftsOf(reading, judged, settled)),
      ...judgeStale(stale),
      ...judgeOrphans(orphans),
      ...judgeSilent(reading, speed),
    ],
  };
}
