import { QueueName, type RecoverPayload, recoverPayload } from '../../core/jobs/queues.ts';
import { SHARDS } from '../../core/meter/keys.ts';
import { MeterUnreachable } from '../../core/meter/servers.ts';
import type { Log } from '../../core/runtime/log.ts';
import { openWorker } from '../../core/runtime/queue.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import { readShards } from '../../drizzle/queries/read-shards.ts';
import { shardsInNeed } from '../recovery/need.ts';
import { type Recovered, type RecoveryContext, recover } from '../recovery/recover.ts';
import { repeat } from '../repeat.ts';

export interface RecoverOptions {
  url: string;
  context: RecoveryContext;
  /** between looks at all shards, for those that nobody has asked for */
  everyMs: number;
  log: Log;
  recovered?(shards: Recovered[]): void;
}

export interface RecoverJobs extends Stoppable {
  /** This shard was answered `recover`: look at once. */
  need(shard: number): void;
  /** Resolves after the first look, whether it found anything to do or failed. */
  looked: Promise<void>;
}

/** What was asked for when a connection saw another server life than the shard's, for a moment. */
async function dropNeedless(context: RecoveryContext): Promise<void> {
  await context.sql`update recoveries set done_at = now() where done_at is null`;
}

/** Whoever is connected to Redis says that it is away; nothing is to be done until it is back. */
function nullIfAway(error: unknown): null {
  if (error instanceof MeterUnreachable) return null;
  throw error;
}

/**
 * The job `recover`, a look at every shard each second, and one at the start: the first start of an
 * installation is a recovery like any other.
 */
export function startRecoverJobs(options: RecoverOptions): RecoverJobs {
  const { context, log } = options;
  const everyShard = Array.from({ length: SHARDS }, (_, shard) => shard);

  let tellLooked = () => {};
  const looked = new Promise<void>((resolve) => {
    tellLooked = resolve;
  });

  async function run(): Promise<void> {
    const known = await readShards(context.db);
    const needs = await shardsInNeed(context.meter, everyShard, known).catch(nullIfAway);
    if (needs === null) return;
    if (needs.length === 0) return dropNeedless(context);
    const startedAt = performance.now();
    const done = await recover(
      context,
      needs.map((need) => need.shard),
    );
    if (done.length === 0) return;
    const sessions = done.reduce((sum, it) => sum + it.sessions, 0);
    const tookMs = Math.round(performance.now() - startedAt);
    log.warn({ shards: done.length, sessions, tookMs }, 'shards of the meter were recovered');
    options.recovered?.(done);
  }

  const look = repeat({
    name: 'recover',
    everyMs: options.everyMs,
    log,
    run: () => run().finally(tellLooked),
  });

  const jobs = openWorker<RecoverPayload>({
    url: options.url,
    log,
    name: QueueName.recover,
    concurrency: 1,
    async handle(job) {
      if (recoverPayload.safeParse(job.data).success) look.wake();
      else log.error({ job: job.id }, 'a recover job is malformed');
    },
  });

  return {
    need: () => look.wake(),
    looked,
    async stop() {
      await jobs.stop();
      await look.stop();
    },
  };
}
