/**
 * A start that waits for a place (rule 18 of core/meter/README.md): its turn, what its recorder is told,
 * and when it has waited long enough. The meter decides who is next; here it is only asked again.
 */
import type { QueueAsk } from '../core/meter/open-command.ts';
import type { Limits } from '../drizzle/queries/load-limits.ts';
import type { Caller } from './caller.ts';

/** Who is next asks this often, and those behind it less often: all well within QUEUE_LEASE_MS. */
const POLL_MS = 250;
const POLL_MS_EACH_AHEAD = 10;
const MOST_POLL_MS = 1_500;
/** A recorder that waits is told its position when it changes, and at least so often. */
export const QUEUED_EVERY_MS = 5_000;

export function pollMs(ahead: number): number {
  return Math.min(MOST_POLL_MS, POLL_MS + ahead * POLL_MS_EACH_AHEAD);
}

export interface Wait {
  /** real ms */
  maxWaitMs: number;
  /** `position`: 1 is next */
  told(position: number, retryAfterMs: number): void;
  /** Its recorder gave it up, and was not merely lost. */
  isCancelled(): boolean;
}

export function waitOf({ queue }: Pick<Limits, 'queue'>, caller: Caller): Wait | null {
  if (queue === null) return null;
  const { queued: told, hasGivenUp: isCancelled } = caller;
  return { maxWaitMs: queue.maxWaitMs, told, isCancelled };
}

export interface Place {
  ask(): QueueAsk | null;
  queued(reply: { ahead: number; turn: number }): void;
  isWaiting(): boolean;
  /** It has waited as long as it may, or nobody waits with it. */
  isOver(): boolean;
  isCancelled(): boolean;
}

export function createPlace(
  queue: QueueAsk | null,
  wait: Wait | null,
  clock: { monotonicMs(): number },
): Place {
  let turn: number | null = null;
  let since = 0;
  let position = 0;
  let toldAt = 0;

  return {
    ask: () => (queue === null || wait === null ? null : { ...queue, turn }),
    queued(reply) {
      const at = clock.monotonicMs();
      if (turn === null) since = at;
      turn = reply.turn;
      const now = reply.ahead + 1;
      if (now === position && at - toldAt < QUEUED_EVERY_MS) return;
      position = now;
      toldAt = at;
      wait?.told(position, QUEUED_EVERY_MS);
    },
    isWaiting: () => turn !== null,
    isOver: () => wait === null || clock.monotonicMs() - since >= wait.maxWaitMs,
    isCancelled: () => turn !== null && (wait?.isCancelled() ?? false),
  };
}
