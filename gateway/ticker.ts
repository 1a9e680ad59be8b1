/**
 * Ticks every session once an interval. The interval is cut into slots and an organization's
 * sessions share one, so that their beats come back together and make one batch; there is no timer
 * a session.
 */
import { shardOf } from '../core/meter/keys.ts';
import type { LiveSession } from './session.ts';

const MAX_SLOTS = 100;
/** Shorter timers than this are not worth their wake-ups. */
const MIN_SLOT_MS = 5;

export interface Ticker {
  add(session: LiveSession): void;
  remove(session: LiveSession): void;
  stop(): Promise<void>;
}

export function createTicker(options: {
  intervalMs: number;
  monotonicMs(): number;
  tick(session: LiveSession): void;
}): Ticker {
  const { intervalMs, monotonicMs } = options;
  const count = Math.max(1, Math.min(MAX_SLOTS, Math.floor(intervalMs / MIN_SLOT_MS)));
  const slots = Array.from({ length: count }, () => new Set<LiveSession>());
  const slotOf = (session: LiveSession) => slots[shardOf(session.org, count)]!;
  const startedAt = monotonicMs();
  let turned = 0;

  // A late timer makes up for what it missed, so that ticks do not drift.
  const timer = setInterval(() => {
    const due = Math.floor(((monotonicMs() - startedAt) * count) / intervalMs);
    turned = Math.max(turned, due - count);
    for (; turned < due; turned++) {
      for (const session of slots[turned % count]!) options.tick(session);
    }
  }, intervalMs / count);

  return {
    add: (session) => void slotOf(session).add(session),
    remove: (session) => void slotOf(session).delete(session),
    async stop() {
      clearInterval(timer);
    },
  };
}
