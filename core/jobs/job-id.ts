import { randomUUID } from 'node:crypto';

/**
 * Ids of jobs. BullMQ forbids `:` in them and takes all digits for one of its own numbers.
 *
 * A settling is never deduplicated by id: a field may have got a new value after the job of the
 * same name had read it.
 */
export function settleJobId(shard: number): string {
  return `settle-${shard}-${randomUUID()}`;
}

/** One recovery of a shard at a time is enough: it looks again when it begins. */
export function recoverJobId(shard: number): string {
  return `recover-${shard}`;
}
