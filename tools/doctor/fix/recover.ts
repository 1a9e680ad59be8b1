import { recoverJobId } from '../../../core/jobs/job-id.ts';
import { QueueName } from '../../../core/jobs/queues.ts';
import { openQueue } from '../../../core/runtime/queue.ts';
import type { Code } from '../../../worker/ledger/check/codes.ts';
import { countText } from '../../../worker/ledger/check/count-text.ts';
import { inRepair, noteRepair, type Step } from '../../../worker/ledger/fix/step.ts';
import { type FixContext, ledgerFixOf } from './step.ts';

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

export function wakeShards(context: FixContext, shards: number[], codes: Code[]): Step {
  return {
    title: `wake the workers for the recovery of ${countText(shards.length, 'shard')}`,
    codes,
    async run() {
      await wakeRecovery(context, shards);
      const fix = ledgerFixOf(context);
      await inRepair(fix.sql, (tx) =>
        noteRepair(tx, fix, { action: 'wake', subject: 'recover', detail: { shards } }),
      );
      return `the workers were woken for ${countText(shards.length, 'shard')}`;
    },
  };
}
