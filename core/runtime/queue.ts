import { type Job, type JobsOptions, Queue, Worker } from 'bullmq';
import type { Log } from './log.ts';
import { connectProducer, connectQueue } from './redis.ts';
import type { Stoppable } from './stop.ts';

/** A hash tag of its own: BullMQ's scripts need all keys of a queue in one slot of a cluster. */
export const QUEUE_PREFIX = '{bull}';

/**
 * A finished job is removed at once, since its id must be free for the next minute of the same
 * work. A failed one stays for a look, and keeps its id for that long.
 */
const FAILED_KEPT_COUNT = 1_000;
const FAILED_KEPT_S = 24 * 60 * 60;
const ATTEMPTS = 8;
const BACKOFF_MS = 500;
/** Being interrupted (killed workers) must never fail a job for good; BullMQ's default is 1. */
const MAX_STALLED_COUNT = 1_000;
const LOCK_MS = 30_000;
const STALLED_CHECK_MS = 10_000;

export const JOB_DEFAULTS: JobsOptions = {
  attempts: ATTEMPTS,
  backoff: { type: 'exponential', delay: BACKOFF_MS, jitter: 0.5 },
  removeOnComplete: true,
  removeOnFail: { age: FAILED_KEPT_S, count: FAILED_KEPT_COUNT },
};

export interface QueueOptions {
  url: string;
  name: string;
  log: Log;
}

export interface RunningQueue<Payload, Result = void> extends Stoppable {
  queue: Queue<Payload, Result, string, Payload, Result, string>;
}

/** Adds jobs. An addition fails at once while Redis is away; sweeps derive the work again. */
export function openQueue<Payload, Result = void>(
  options: QueueOptions,
): RunningQueue<Payload, Result> {
  const { url, name, log } = options;
  const connection = connectProducer(url, { log, name: `queue-${name}` });
  const queue = new Queue<Payload, Result, string, Payload, Result, string>(name, {
    connection: connection.redis,
    prefix: QUEUE_PREFIX,
    defaultJobOptions: JOB_DEFAULTS,
  });
  queue.on('error', (error) =>
    log.debug({ err: error, queue: name }, 'the queue reports an error'),
  );
  return {
    queue,
    async stop() {
      await queue.close();
      await connection.stop();
    },
  };
}

export interface WorkerOptions<Payload, Result> extends QueueOptions {
  /** Jobs at a time. */
  concurrency: number;
  /** Throwing means another attempt; must do no harm when repeated. */
  handle: (job: Job<Payload, Result, string>) => Promise<Result>;
}

/** Works off jobs. `stop` waits for those under way. */
export function openWorker<Payload, Result = void>(
  options: WorkerOptions<Payload, Result>,
): Stoppable & { worker: Worker<Payload, Result, string> } {
  const { url, name, log, concurrency, handle } = options;
  const connection = connectQueue(url, { log, name: `worker-${name}` });
  const worker = new Worker<Payload, Result, string>(name, handle, {
    connection: connection.redis,
    prefix: QUEUE_PREFIX,
    concurrency,
    maxStalledCount: MAX_STALLED_COUNT,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
  });
  worker.on('error', (error) =>
    log.error({ err: error, queue: name }, 'the worker reports an error'),
  );
  worker.on('failed', (job, error) => {
    const final = job !== undefined && job.attemptsMade >= (job.opts.attempts ?? 1);
    const fields = { err: error, queue: name, job: job?.id, attempt: job?.attemptsMade };
    if (final) log.error(fields, 'a job failed for good');
    else log.warn(fields, 'a job failed and will be tried again');
  });
  return {
    worker,
    async stop() {
      await worker.close();
      await connection.stop();
    },
  };
}
