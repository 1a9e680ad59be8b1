import { QueueName, type SettlePayload, settlePayload } from '../../core/jobs/queues.ts';
import type { Log } from '../../core/runtime/log.ts';
import { openWorker } from '../../core/runtime/queue.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import type { ShardSettler } from '../ledger/shard-settler.ts';

/** Jobs at a time; those of one shard share a transaction. */
const CONCURRENCY = 64;

/**
 * The job `settle`: fields of a shard's unsettled set that a gateway saw filled. A malformed one is
 * dropped, since trying again would not mend it; the sweep settles what it meant.
 */
export function startSettleJobs(options: {
  url: string;
  log: Log;
  settler: ShardSettler;
}): Stoppable {
  const { url, log, settler } = options;
  return openWorker<SettlePayload>({
    url,
    log,
    name: QueueName.settle,
    concurrency: CONCURRENCY,
    async handle(job) {
      const payload = settlePayload.safeParse(job.data);
      if (!payload.success) {
        log.error({ job: job.id, issues: payload.error.issues }, 'a settle job is malformed');
        return;
      }
      await settler.settle(payload.data.shard, payload.data.fields);
    },
  });
}
