/**
 * One line of the spool: all that a gateway's memory can say of one session, sealed, so that a line
 * that was cut off, or that somebody wrote himself, charges nobody.
 *
 *     MAC space JSON newline
 */
import type { Epoch, Level, PeriodMark } from '../../core/meter/rows.ts';
import type { EndReason } from '../../core/protocol/messages.ts';
import { provenMs } from '../claim.ts';
import { createMac, type Mac } from '../mac.ts';
import type { MeterTime } from '../meter-time.ts';
import type { LiveSession, SessionLimits } from '../session.ts';

/** Lines of other versions are left alone. */
const VERSION = 1;

export interface SpoolLine {
  version: number;
  org: string;
  session: string;
  user: string;
  startedAt: number;
  trustCaptured: boolean;
  epoch: Epoch;
  /** what the meter had acknowledged, and the meter instant of it */
  acknowledged: { totalMs: number; chargedMs: number; overshootMs: number; at: number };
  /** what its recorder proved, and the meter instant of that */
  totalMs: number;
  at: number;
  isRunning: boolean;
  /** the meter had not taken its words */
  isWaiting: boolean;
  phase: 'recording' | 'paused' | 'ending' | 'ended' | 'elsewhere';
  reason: EndReason;
  period: number;
  marks: PeriodMark[];
  limits: SessionLimits & { sessionLevels: Level[] };
}

export interface SpoolSeal {
  seal(line: SpoolLine): string;
  /** null: not ours, or not whole */
  open(text: string): SpoolLine | null;
}

/** `keys`: those of checkpoints. A line is no checkpoint: their texts begin differently. */
export function createSpoolSeal(keys: readonly [Uint8Array, ...Uint8Array[]]): SpoolSeal {
  const macs: Mac[] = keys.map(createMac);
  return {
    seal(line) {
      const body = JSON.stringify(line);
      return `${macs[0]!.of(`spool ${body}`)} ${body}\n`;
    },
    open(text) {
      const end = text.indexOf(' ');
      const [mac, body] = [text.slice(0, Math.max(0, end)), text.slice(end + 1)];
      if (!macs.some((it) => it.fits(`spool ${body}`, mac))) return null;
      const line = JSON.parse(body) as SpoolLine;
      return line.version === VERSION ? line : null;
    },
  };
}

export function lineOf(session: LiveSession, time: MeterTime): SpoolLine {
  const { acknowledged, phase, stopwatch } = session;
  const isStopping = phase.kind === 'stopping' || phase.kind === 'ending';
  // Of one that goes on elsewhere, others prove what comes after.
  const proven = phase.kind === 'elsewhere' ? 0 : provenMs(session, time.speed);
  const totalMs = Math.max(acknowledged.totalMs, proven);
  return {
    version: VERSION,
    org: session.org,
    session: session.id,
    user: session.user,
    startedAt: session.startedAt,
    trustCaptured: session.trustCaptured,
    epoch: session.epoch,
    acknowledged,
    totalMs,
    at: time.at(stopwatch.provenAt),
    isRunning: stopwatch.isRunning,
    isWaiting: session.waitingSince !== null,
    // Who was told to stop is not to go on elsewhere as if it had not been.
    phase: phase.kind === 'stopping' ? 'ending' : phase.kind,
    reason: isStopping ? phase.reason : session.reason,
    period: session.period,
    marks: session.marks,
    limits: session.limits,
  };
}
