/** What every accepted word of a session's owner does, whatever command carries it. */
import type { SessionState } from '../commands.ts';
import type { Halt } from './charge.ts';
import { advance } from './charge.ts';
import { join, leave } from './membership.ts';
import { writeOpenMinute } from './minute.ts';
import type { ModelSession } from './shard.ts';
import type { Turn } from './turn.ts';

export interface Word {
  totalMs: number;
  at: number;
  state: SessionState;
  /** rule 20 */
  believed: boolean;
}

export const NO_HALT: Halt = { missingPeriod: null, boundaryDoubted: false };

/** Charges what is new, then lets the session stand where its state says. */
export function speak(turn: Turn, session: ModelSession, word: Word): Halt {
  leave(turn.shard, session);
  const growthMs = Math.max(0, word.totalMs - session.totalMs);
  const halt = advance(turn, session, growthMs, word.at, word.believed);
  session.lastAnswerAt = turn.now;
  settleState(turn, session, word.state);
  return halt;
}

/** The end of a word: state, n and s, the partial record. */
export function settleState(turn: Turn, session: ModelSession, state: SessionState): void {
  if (state === 'detached' && session.state !== 'detached') {
    session.detachedFrom = countsTime(session.state) ? 'recording' : 'paused';
  }
  session.state = state;
  join(turn.shard, session);
  if (state !== 'recording' || session.stoppedBy !== '') writeOpenMinute(turn, session);
}

/** recording and stalled count time. */
export function countsTime(state: SessionState): boolean {
  return state === 'recording' || state === 'stalled';
}
