/**
 * Finished minutes on their way to the workers: fields of the unsettled set, gathered for a moment
 * into jobs. A job that is lost is found by the workers' sweep, so this never blocks and never fails.
 */
import { MAX_FIELDS_A_JOB, type SettlePayload } from '../core/jobs/queues.ts';
import type { Log } from '../core/runtime/log.ts';

const GATHER_MS = 250;

export interface Minutes {
  ready(shard: number, fields: readonly string[]): void;
  stop(): Promise<void>;
}

export function createMinutes(options: {
  add(payload: SettlePayload): Promise<unknown>;
  log: Log;
}): Minutes {
  const waiting = new Map<number, Set<string>>();
  let timer: NodeJS.Timeout | null = null;

  async function send(): Promise<void> {
    timer = null;
    const jobs: Promise<unknown>[] = [];
    for (const [shard, fields] of waiting) {
      const all = [...fields];
      for (let i = 0; i < all.length; i += MAX_FIELDS_A_JOB) {
        jobs.push(options.add({ shard, fields: all.slice(i, i + MAX_FIELDS_A_JOB) }));
      }
    }
    waiting.clear();
    await Promise.all(jobs).catch((error) => {
      options.log.warn({ err: error }, 'minutes could not be queued: the sweep will find them');
    });
  }

  return {
    ready(shard, fields) {
      if (fields.length === 0) return;
      const known = waiting.get(shard) ?? new Set();
      for (const field of fields) known.add(field);
      waiting.set(shard, known);
      timer ??= setTimeout(send, GATHER_MS);
    },
    async stop() {
      if (timer) clearTimeout(timer);
      await send();
    },
  };
}
