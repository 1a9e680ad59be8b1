/** A session's words to the meter, and what follows from each answer. */
import type { Batch } from '../core/meter/batch.ts';
import type { BeatReply } from '../core/meter/commands.ts';
import type { MeterTime } from './meter-time.ts';
import { type LiveSession, recorderState, takeReply } from './session.ts';
import { lift, wholeMs } from './stopwatch.ts';

/** What an answer can ask of the gateway. Each is handled where its noun lives. */
export interface Outcomes {
  stopped(session: LiveSession): void;
  superseded(session: LiveSession): void;
  ended(session: LiveSession): void;
  /** not in the meter: it must be asserted */
  unknown(session: LiveSession): void;
  /** the shard waits for recovery */
  recover(session: LiveSession): void;
  missingPeriod(session: LiveSession, period: number): void;
  movedPeriod(session: LiveSession): void;
  /** Redis' clock and ours disagree at a boundary (rule 20) */
  doubted(session: LiveSession): void;
}

export interface Words {
  /** Tells the meter the session's total; `then` is called after the answer, also where none came. */
  say(session: LiveSession, then?: () => void): void;
}

/**
 * What is claimed: the stopwatch's total, or what a trusted recorder captured if that is less
 * (rule 3), but never less than what was acknowledged.
 */
export function claimedMs(session: LiveSession, speed: number): number {
  const proven = wholeMs(session.stopwatch);
  if (!session.trustCaptured || session.capturedMs === null) return proven;
  const captured = Math.floor(session.capturedMs * speed);
  return Math.min(proven, Math.max(captured, session.acknowledged.totalMs));
}

const TOOK_NOTHING: ReadonlySet<BeatReply['status']> = new Set([
  ...(['superseded', 'unknown', 'recover'] as const),
]);

export function createWords(options: {
  batch: Batch;
  time: MeterTime;
  monotonicMs(): number;
  outcomes: Outcomes;
}): Words {
  const { batch, time, outcomes } = options;

  function taken(session: LiveSession, reply: BeatReply, at: number): void {
    if (TOOK_NOTHING.has(reply.status)) return;
    session.waitingSince = null;
    takeReply(session, reply, time.at(at));
    lift(session.stopwatch, reply.totalMs);
  }

  function follow(session: LiveSession, reply: BeatReply): void {
    const { status } = reply;
    if (status === 'superseded' || status === 'unknown' || status === 'recover') {
      outcomes[status](session);
      return;
    }
    if (reply.boundaryDoubted) outcomes.doubted(session);
    if (reply.missingPeriod !== null) outcomes.missingPeriod(session, reply.missingPeriod);
    if (reply.period !== session.period) outcomes.movedPeriod(session);
    if (status !== 'ok') outcomes[status](session);
  }

  return {
    say(session, then) {
      const { id, org, epoch } = session;
      const at = session.stopwatch.provenAt;
      const totalMs = claimedMs(session, time.speed);
      const state = recorderState(session);
      const saidAt = options.monotonicMs();
      // Where it was opened anew meanwhile, the answer is of an earlier life.
      const isOfThisLife = () => session.epoch === epoch;
      batch.say({
        ...{ session: id, org, epoch, totalMs, at, state },
        taken(reply) {
          if (isOfThisLife()) taken(session, reply, at);
        },
        heard(reply) {
          if (!reply || TOOK_NOTHING.has(reply.status)) session.waitingSince ??= saidAt;
          if (reply && isOfThisLife()) follow(session, reply);
          then?.();
        },
      });
    },
  };
}
