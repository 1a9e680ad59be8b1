/** What a recorder says while its session runs: beats, stop, saved. */
import type { Beat, EndReason, Saved, Stop } from '../core/protocol/messages.ts';
import { hearCaptured, type LiveSession, sendingOf } from './session.ts';
import type { Ending } from './stopping.ts';
import { prove, type StopwatchRules, setRunning } from './stopwatch.ts';
import type { Telling } from './telling.ts';
import type { Words } from './words.ts';

export interface Hearing {
  beat(session: LiveSession, beat: Beat): void;
  stop(session: LiveSession, stop: Stop): void;
  saved(session: LiveSession, saved: Saved): void;
  /** Its wire is gone; it counts to its last proof unless it comes back. */
  detached(session: LiveSession): void;
}

export function createHearing(options: {
  words: Words;
  telling: Telling;
  ending: Ending;
  rules: StopwatchRules;
  monotonicMs(): number;
}): Hearing {
  const { words, telling, ending, rules, monotonicMs } = options;

  /**
   * The answer to the tick that came with `stop` proves the last piece (rule 6), nothing later does.
   * One to an earlier tick, on its way when the stop was written, proves what it always does.
   */
  function beatWhileStopping(session: LiveSession, beat: Beat): void {
    if (session.phase.kind !== 'stopping') return;
    const sentAt = sendingOf(session, beat.seq);
    if (beat.seq >= session.phase.stopSeq) {
      setRunning(session.stopwatch, false, session.phase.stoppedAt, rules);
    } else if (!Number.isNaN(sentAt)) {
      prove(session.stopwatch, sentAt, rules);
    }
    words.say(session);
  }

  /** A change of state proves time up to its receipt, and is answered with a tick at once. */
  function changeState(session: LiveSession, state: 'recording' | 'paused', at: number): void {
    setRunning(session.stopwatch, state === 'recording', at, rules);
    session.phase = { kind: state };
    // The meter may be long in not answering: until then its recorder alone can keep it.
    if (session.waitingSince !== null) telling.tick(session);
    words.say(session, () => telling.tick(session));
  }

  return {
    beat(session, beat) {
      const at = monotonicMs();
      session.heardAt = at;
      hearCaptured(session, beat.capturedMs);
      const { kind } = session.phase;
      if (kind === 'stopping') return beatWhileStopping(session, beat);
      if (kind !== 'recording' && kind !== 'paused') return;
      const sentAt = sendingOf(session, beat.seq);
      if (!Number.isNaN(sentAt)) prove(session.stopwatch, sentAt, rules);
      if (beat.state && beat.state !== kind) changeState(session, beat.state, at);
      else words.say(session);
    },

    stop(session, stop) {
      const { kind } = session.phase;
      session.heardAt = monotonicMs();
      hearCaptured(session, stop.capturedMs);
      if (kind === 'stopping') return;
      setRunning(session.stopwatch, false, session.heardAt, rules);
      void ending.end(session, 'stopped');
    },

    saved(session, saved) {
      hearCaptured(session, saved.capturedMs);
      session.heardAt = monotonicMs();
      const { phase } = session;
      // Unasked, it is the recorder's own stop.
      if (phase.kind !== 'stopping') setRunning(session.stopwatch, false, session.heardAt, rules);
      const reason: EndReason = phase.kind === 'stopping' ? phase.reason : 'stopped';
      void ending.end(session, reason);
    },

    detached(session) {
      session.wire = null;
      const { kind } = session.phase;
      if (kind === 'recording' || kind === 'paused') words.say(session);
    },
  };
}
