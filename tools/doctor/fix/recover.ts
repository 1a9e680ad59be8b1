import type postgres from 'postgres';
import { recoverJobId } from '../../../core/jobs/job-id.ts';
import { QueueName } from '../../../core/jobs/queues.ts';
import { openQueue } from '../../../core/runtime/queue.ts';
import type { Code } from '../../../worker/ledger/check/codes.ts';
import { lockShard } from '../../../worker/ledger/reads.ts';
import { type FixContext, inRepair, noteRepair, type Step } from './step.ts';

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
  actor: string,
  why: readonly string[],
): Promise<number | null> {
  const generation = await lockShard(tx, shard);
  const [row] = await tx<ShardState[]>`
    select generation, recovered_generation as recovered from shards where shard = ${shard}`;
  if (row!.recovered !== row!.generation) return null;
  await tx`update shards set generation = generation + 1 where shard = ${shard}`;
  await tx`
    insert into recoveries (shard, requested_by) select ${shard}, ${actor}
    where not exists (select from recoveries where shard = ${shard} and done_at is null)`;
  const detail = { before: { generation }, after: { generation: generation + 1 }, why };
  await noteRepair(tx, { actor, action: 'recover', subject: `shard ${shard}`, detail });
  return generation + 1;
}

/** Workers look each second; this wakes them at once, and those whose look hangs on a job. */
export async function wakeRecovery({ stores, log }: FixContext, shards: number[]): Promise<void> {
  const opened = openQueue<{ shard: number }>({
    url: stores.redisUrl,
    name: QueueName.recover,
    log,
  });
  try {
    await opened.queue.waitUntilReady();
    for (const shard of shards) {
      await opened.queue.add('recover', { shard }, { jobId: recoverJobId(shard) });
    }
  } finally {
    await opened.stop();
  }
}

export function recoverShard(
  context: FixContext,
  shard: number,
  codes: Code[],
  why: readonly string[],
): Step {
  return {
    title: `have shard ${shard} recovered from the ledger`,
    codes,
    async run() {
      const { stores, actor } = context;
      const raised = await inRepair(stores.database.sql, (tx) =>
        raiseGeneration(tx, shard, actor, why),
      );
      await wakeRecovery(context, [shard]);
      return raised === null
        ? `a recovery of shard ${shard} was due already: its workers were woken`
        : `shard ${shard} is to be recovered to generation ${raised}`;
    },
  };
}

export function wakeShards(context: FixContext, shards: number[], codes: Code[]): Step {
  return {
    title: `wake the workers for the recovery of ${shards.length} shards`,
    codes,
    async run() {
      const { stores, actor } = context;
      await wakeRecovery(context, shards);
      await inRepair(stores.database.sql, (tx) =>
        noteRepair(tx, { actor, action: 'wake', subject: 'recover', detail: { shards } }),
      );
      return `the workers were woken for ${shards.length} shards`;
    },
  };
}
