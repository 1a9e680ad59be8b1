import type postgres from 'postgres';
import type { Code } from '../check/codes.ts';
import { lockShard } from '../reads.ts';
import { inRepair, type LedgerFix, noteRepair, type Step } from './step.ts';

interface ShardState {
  generation: number;
  recovered: number;
}

/**
 * Has a shard recovered (rule 22 in core/meter/README.md): a raised generation is all that workers
 * need. What Redis has that is recorded is settled first; its counters are then made anew from the
 * ledger. A recovery that is due anyway is not asked for twice.
 */
export async function raiseGeneration(
  tx: postgres.TransactionSql,
  shard: number,
  by: Pick<LedgerFix, 'actor' | 'area'>,
  why: readonly string[],
): Promise<number | null> {
  const generation = await lockShard(tx, shard);
  const [row] = await tx<ShardState[]>`
    select generation, recovered_generation as recovered from shards where shard = ${shard}`;
  if (row!.recovered !== row!.generation) return null;
  await tx`update shards set generation = generation + 1 where shard = ${shard}`;
  await tx`
    insert into recoveries (shard, requested_by) select ${shard}, ${by.actor}
    where not exists (select from recoveries where shard = ${shard} and done_at is null)`;
  const detail = { before: { generation }, after: { generation: generation + 1 }, why };
  await noteRepair(tx, by, { action: 'recover', subject: `shard ${shard}`, detail });
  return generation + 1;
}

export function recoverShard(
  fix: LedgerFix,
  shard: number,
  codes: Code[],
  why: readonly string[],
): Step {
  return {
    title: `have shard ${shard} recovered from the ledger`,
    codes,
    async run() {
      const raised = await inRepair(fix.sql, (tx) => raiseGeneration(tx, shard, fix, why));
      await fix.wake?.([shard]);
      return raised === null
        ? `a recovery of shard ${shard} was due already: its workers were woken`
        : `shard ${shard} is to be recovered to generation ${raised}`;
    },
  };
}
