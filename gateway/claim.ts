/**
 * What is claimed of a session's time, and what the plan makes of time that was proven while the meter
 * could not take it (rule 24 of core/meter/README.md): charged afterwards, or forgiven. Forgiven time
 * is overshoot: the total moves, the charge does not, so that what is acknowledged stays what the
 * ledger has and its overshoot, to the millisecond.
 */
import type { Witness } from '../core/meter/rows.ts';
import type { Keepsake } from './checkpoint.ts';
import type { MeterTime } from './meter-time.ts';
import { isOver, type LiveSession, witnessOf } from './session.ts';
import { wholeMs } from './stopwatch.ts';

/**
 * The stopwatch's total, or what a trusted recorder captured if that is less (rule 3), but never less
 * than what was acknowledged.
 */
export function provenMs(session: LiveSession, speed: number): number {
  const proven = wholeMs(session.stopwatch);
  if (!session.trustCaptured || session.capturedMs === null) return proven;
  const captured = Math.floor(session.capturedMs * speed);
  return Math.min(proven, Math.max(captured, session.acknowledged.totalMs));
}

/**
 * Whether what is proven beyond the acknowledged total is to be forgiven before more is charged. Of a
 * session that goes on elsewhere nothing is: late proofs are fenced here as they are in the meter.
 */
export function isForgiven({ waitingSince, limits, phase }: LiveSession): boolean {
  return waitingSince !== null && limits.outageTime === 'forgive' && phase.kind !== 'elsewhere';
}

/** What a word may charge up to. Of a session that is forgiven a word only asks whether the meter is back. */
export function claimedMs(session: LiveSession, speed: number): number {
  return isForgiven(session) ? session.acknowledged.totalMs : provenMs(session, speed);
}

/** What a recovery, or the end of an outage, is told of a session: with forgiven time as overshoot. */
export function testimonyOf(session: LiveSession, time: MeterTime): Witness {
  const witness = witnessOf(session);
  if (!isForgiven(session)) return witness;
  const ms = Math.max(0, provenMs(session, time.speed) - witness.totalMs);
  if (ms === 0) return witness;
  const { epoch, state, marks } = witness;
  const totalMs = witness.totalMs + ms;
  const overshootMs = witness.overshootMs + ms;
  const at = Math.max(witness.at, time.at(session.stopwatch.provenAt));
  return { epoch, totalMs, overshootMs, at, state, marks };
}

/** What a recorder keeps beside the witness (rule 23): proven, while the meter takes no words of it. */
export function untoldOf(session: LiveSession, time: MeterTime): Keepsake | null {
  if (session.waitingSince === null || isOver(session)) return null;
  const { totalMs, at } = session.acknowledged;
  const ms = Math.max(0, provenMs(session, time.speed) - totalMs);
  return { ms, at: Math.max(at, Math.floor(time.at(session.stopwatch.provenAt))) };
}
