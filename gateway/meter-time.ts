/**
 * Meter time as a gateway knows it: what the meter's replies said, carried on by the monotonic
 * clock. It arms timers and dates readings; it never charges (the script has its own time).
 */

/** A reply this far from what was expected means that Redis' clock was stepped, not a slow network. */
const STEP_MS = 1_000;
/** An old estimate gives way at this rate, so that drift between two machines' clocks is followed. */
const DRIFT_MS_PER_S = 0.5;

export interface MeterTime {
  /** whole epoch ms of meter time; wall time while the meter has never answered */
  now(): number;
  /** meter time of a monotonic instant */
  at(monotonicMs: number): number;
  /** A reply said `now`. Late replies say less than is true, so the largest offset is the best. */
  saw(now: number): void;
  /** real ms until a meter instant; negative when it is behind */
  realMsTo(at: number): number;
  readonly speed: number;
}

export function createMeterTime(
  clock: { monotonicMs(): number; wallMs(): number },
  speed: number,
): MeterTime {
  let offset: number | null = null;
  let seenAt = 0;

  function exactly(monotonicMs: number): number {
    return (offset ?? clock.wallMs() - clock.monotonicMs() * speed) + monotonicMs * speed;
  }
  return {
    speed,
    at: (monotonicMs) => Math.floor(exactly(monotonicMs)),
    now: () => Math.floor(exactly(clock.monotonicMs())),
    saw(now) {
      const monotonic = clock.monotonicMs();
      const sample = now - monotonic * speed;
      if (offset === null || Math.abs(sample - offset) > STEP_MS * speed) offset = sample;
      else {
        const given = ((monotonic - seenAt) / 1_000) * DRIFT_MS_PER_S * speed;
        offset = Math.max(sample, offset - given);
      }
      seenAt = monotonic;
    },
    realMsTo: (instant) => (instant - exactly(clock.monotonicMs())) / speed,
  };
}
