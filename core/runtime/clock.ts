/**
 * Two clocks, never to be mixed: a stopwatch that no operator and no time server can step, for
 * durations, and the calendar's, for instants that others must understand.
 */
export interface Clock {
  /** Milliseconds since some instant of this process; never falls. */
  monotonicMs(): number;
  /** Epoch milliseconds; may jump either way. */
  wallMs(): number;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/** A clock that moves when it is told, for tests and simulation. */
export interface VirtualClock extends Clock {
  /** Time passes, on both clocks. `ms` >= 0. */
  advance(ms: number): void;
  /** Somebody sets the calendar's clock; `ms` may be negative. No time passes. */
  stepWall(ms: number): void;
}

/** @param startAt epoch milliseconds at which the virtual calendar begins */
export function virtualClock(startAt = Date.UTC(2026, 0, 1)): VirtualClock {
  let elapsedMs = 0;
  let wallOffsetMs = startAt;
  return {
    monotonicMs: () => elapsedMs,
    wallMs: () => wallOffsetMs + elapsedMs,
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`Time can't pass backwards, and was told ${ms} ms.`);
      elapsedMs += ms;
    },
    stepWall(ms) {
      wallOffsetMs += ms;
    },
  };
}
