/** A session's words to the meter, and what follows from each answer. */
import { createBatch, type Word } from '../core/meter/batch.ts';
import type { BeatReply, BeatsReply, Meter } from '../core/meter/commands.ts';
import { claimedMs, isForgiven } from './claim.ts';
import type { MeterTime } from './meter-time.ts';
import { type LiveSession, recorderState, takeReply } from './session.ts';
import { lift } from './stopwatch.ts';

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
  /** The meter takes its words again; `reply` is not taken over yet. */
  back(session: LiveSession, reply: BeatReply): void;
  /** Its time without the meter is to be recorded, and not charged. */
  forgive(session: LiveSession): void;
  /** Redis' clock and ours disagree at a boundary (rule 20) */
  doubted(session: LiveSession): void;
}

export interface Words {
  /** Tells the meter the session's total; `then` is called after the answer, also where none came. */
  say(session: LiveSession, then?: () => void): void;
  /** Resolves when the meter has every word, or could not be asked. */
  idle(): Promise<void>;
}

const TOOK_NOTHING: ReadonlySet<BeatReply['status']> = new Set([
  ...(['superseded', 'unknown', 'recover'] as const),
]);

/** What was said for a session, and what waits for its answer. */
interface SaidWord extends Word {
  saidAt: number;
  then: (() => void)[] | undefined;
}

export interface WordsOptions {
  meter: Pick<Meter, 'beats'>;
  time: MeterTime;
  clock: { monotonicMs(): number; wallMs(): number };
  outcomes: Outcomes;
  /** what a call told beside the answers to its words */
  told(reply: BeatsReply): void;
  unanswered(error: unknown): void;
  failed(error: unknown): void;
}

export function createWords(options: WordsOptions): Words {
  const { time, outcomes } = options;
  const thens = new Map<LiveSession, (() => void)[]>();

  function word(session: LiveSession, saidAt: number): SaidWord {
    const then = thens.get(session);
    if (then) thens.delete(session);
    return {
      org: session.org,
      session: session.id,
      epoch: session.epoch,
      totalMs: claimedMs(session, time.speed),
      ageMs: 0,
      state: recorderState(session),
      at: session.stopwatch.provenAt,
      saidAt,
      then,
    };
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

  const batch = createBatch<LiveSession, SaidWord>({
    ...{ meter: options.meter, speed: time.speed, word },
    monotonicMs: () => options.clock.monotonicMs(),
    wallMs: () => options.clock.wallMs(),
    taken(session, { epoch, at }, reply) {
      // Where it was opened anew meanwhile, the answer is of an earlier life.
      if (session.epoch !== epoch || TOOK_NOTHING.has(reply.status)) return;
      if (session.waitingSince !== null) {
        outcomes.back(session, reply);
        if (isForgiven(session)) outcomes.forgive(session);
        else {
          session.waitingSince = null;
          // It was told what its recorder did last, and now that it is gone.
          if (session.wire === null) batch.say(session);
        }
      }
      takeReply(session, reply, time.at(at));
      lift(session.stopwatch, reply.totalMs);
    },
    told: options.told,
    heard(session, { epoch, saidAt, then }, reply) {
      if (!reply || TOOK_NOTHING.has(reply.status)) session.waitingSince ??= saidAt;
      if (reply && session.epoch === epoch) follow(session, reply);
      if (then) for (const next of then) next();
    },
    unanswered: options.unanswered,
    failed: options.failed,
  });

  return {
    say(session, then) {
      if (then) {
        const earlier = thens.get(session);
        if (earlier) earlier.push(then);
        else thens.set(session, [then]);
      }
      batch.say(session);
    },
    idle: () => batch.idle(),
  };
}
