/**
 * Meter time as a gateway knows it: what the meter's replies said, carried on by the monotonic
 * clock. It arms timers and dates readings; it never charges (the script has its own time).
 */
import type { MeterClock } from '../core/meter/commands.ts';

/** A reply this far from what was expected, in real ms, is more than a slow network. */
const STEP_MS = 1_000;
/** One late reply is a stalled process; replies that stay behind mean that Redis' clock was set back. */
const SET_BACK_AFTER_MS = 3_000;
/** An old estimate gives way at this rate, so that drift between two machines' clocks is followed. */
const DRIFT_MS_PER_S = 0.5;

export interface MeterTime {
  /** whole epoch ms of meter time; by this machine's calendar while the meter has never answered */
  now(): number;
  /** meter time of a monotonic instant */
  at(monotonicMs: number): number;
  /** A reply said `now`. Late replies say less than is true, so the largest offset is the best. */
  saw(now: number): void;
  /** real ms until a meter instant; negative when it is behind */
  realMsTo(at: number): number;
  readonly speed: number;
}

/** @param meterClock as Postgres has it: how meter time runs, before the meter itself has said so */
export function createMeterTime(
  clock: { monotonicMs(): number; wallMs(): number },
  meterClock: Pick<MeterClock, 'meterBaseAt' | 'realBaseAt' | 'speed'>,
): MeterTime {
  const { speed, meterBaseAt, realBaseAt } = meterClock;
  let offset: number | null = null;
  let seenAt = 0;
  let behindSince: number | null = null;

  function guess(): number {
    const now = meterBaseAt + (clock.wallMs() - realBaseAt) * speed;
    return now - clock.monotonicMs() * speed;
  }
  function exactly(monotonicMs: number): number {
    return (offset ?? guess()) + monotonicMs * speed;
  }
  return {
    speed,
    at: (monotonicMs) => Math.floor(exactly(monotonicMs)),
    now: () => Math.floor(exactly(clock.monotonicMs())),
    saw(now) {
      const monotonic = clock.monotonicMs();
      const sample = now - monotonic * speed;
      if (offset !== null && offset - sample > STEP_MS * speed) {
        behindSince ??= monotonic;
        if (monotonic - behindSince < SET_BACK_AFTER_MS) return;
        offset = sample;
      } else {
        const given = ((monotonic - seenAt) / 1_000) * DRIFT_MS_PER_S * speed;
        offset = offset === null ? sample : Math.max(sample, offset - given);
      }
      behindSince = null;
      seenAt = monotonic;
    },
    realMsTo: (instant) => (instant - exactly(clock.monotonicMs())) / speed,
  };
}
