import type { Job, Queue } from 'bullmq';
import { QueueName } from '../../core/jobs/queues.ts';
import type { Log } from '../../core/runtime/log.ts';
import { openQueue } from '../../core/runtime/queue.ts';
import { countText } from '../../worker/ledger/check/count-text.ts';
import { exactText } from '../../worker/ledger/check/duration-text.ts';
import { type Finding, finding } from '../../worker/ledger/check/finding.ts';
import type { Seen } from './examination.ts';

/** Jobs are worked off in milliseconds. */
const MOST_WAITING_MS = 60_000;
/** A worker that lives renews its lock; one job takes seconds. */
const MOST_AT_WORK_MS = 120_000;
const FAILED_SHOWN = 3;
/** A queue that a look waits for longer is not there. */
const READY_PATIENCE_MS = 5_000;

export interface QueueState {
  name: string;
  isPaused: boolean;
  workers: number;
  counts: Record<string, number>;
  /** of the job that waits longest, and of the one longest at work; null: none */
  oldestWaitingMs: number | null;
  oldestActiveMs: number | null;
  /** why the newest ones failed */
  reasons: string[];
}

type AnyQueue = Queue<unknown, unknown, string>;

/** Opens each queue by turn, as a producer that adds nothing. */
export async function withQueues<T>(
  url: string,
  log: Log,
  run: (queue: AnyQueue) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  for (const name of Object.values(QueueName)) {
    const opened = openQueue<unknown, unknown>({ url, name, log });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`Redis did not answer for the queue ${name}.`);
      timer = setTimeout(reject, READY_PATIENCE_MS, error);
    });
    try {
      await Promise.race([opened.queue.waitUntilReady(), late]);
      results.push(await run(opened.queue as AnyQueue));
    } finally {
      clearTimeout(timer);
      await opened.stop().catch(() => {});
    }
  }
  return results;
}

async function readQueue(queue: AnyQueue): Promise<QueueState> {
  const now = Date.now();
  const ageOf = (job: Job | undefined, at: (job: Job) => number | undefined) =>
    job === undefined ? null : now - (at(job) ?? now);
  const [counts, isPaused, workers, waiting, active, failed] = await Promise.all([
    queue.getJobCounts('waiting', 'active', 'delayed', 'failed'),
    queue.isPaused(),
    queue.getWorkersCount(),
    queue.getJobs(['waiting'], 0, 0, true),
    queue.getJobs(['active'], 0, 99),
    queue.getJobs(['failed'], 0, FAILED_SHOWN - 1),
  ]);
  const ages = active.map((job) => ageOf(job, (it) => it.processedOn) ?? 0);
  return {
    name: queue.name,
    isPaused,
    workers,
    counts,
    oldestWaitingMs: ageOf(waiting[0], (it) => it.timestamp),
    oldestActiveMs: ages.length === 0 ? null : Math.max(...ages),
    reasons: failed.map((job) => job?.failedReason ?? 'no reason'),
  };
}

export function judgeQueue(state: QueueState): Finding[] {
  const { name, counts, oldestWaitingMs, oldestActiveMs } = state;
  const found: Finding[] = [];
  const add = (code: Parameters<typeof finding>[0], says: string, figures = {}) =>
    found.push(finding(code, { subject: name, says: `The queue "${name}" ${says}`, figures }));
  const waiting = counts.waiting ?? 0;
  const failed = counts.failed ?? 0;
  if (state.isPaused)
    add('queuePaused', `is paused; waiting: ${countText(waiting, 'job')}.`, { waiting });
  if (state.workers === 0) add('noWorker', 'has no worker.');
  if (failed > 0) {
    add('queueFailed', `has ${failed} failed jobs: ${state.reasons.join('; ')}.`, { failed });
  }
  if (oldestWaitingMs !== null && oldestWaitingMs > MOST_WAITING_MS) {
    const says = `has ${waiting} waiting jobs, the oldest for ${exactText(oldestWaitingMs)}.`;
    add('queueWaiting', says, { waiting, oldestWaitingMs });
  }
  if (oldestActiveMs !== null && oldestActiveMs > MOST_AT_WORK_MS) {
    add('queueStalled', `has a job at work for ${exactText(oldestActiveMs)}.`, { oldestActiveMs });
  }
  return found;
}

export async function lookAtQueues(url: string, log: Log): Promise<Seen> {
  const states = await withQueues(url, log, readQueue);
  const looked = states
    .map(({ name, counts, workers }) => {
      const { waiting = 0, active = 0, delayed = 0, failed = 0 } = counts;
      return `${name}: ${waiting} waiting, ${active} at work, ${delayed} delayed, ${failed} failed, ${countText(workers, 'worker')}`;
    })
    .join('; ');
  return { looked, findings: states.flatMap(judgeQueue) };
}
