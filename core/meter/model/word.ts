/** What every accepted word of a session's owner does, whatever command carries it. */
import type { SessionState } from '../rows.ts';
import type { Halt } from './charge.ts';
import { advance } from './charge.ts';
import { join, leave, noteStop } from './membership.ts';
import { writeOpenMinute } from './minute.ts';
import type { ModelSession } from './shard.ts';
import type { Turn } from './turn.ts';

export const NO_HALT: Halt = { missingPeriod: null, boundaryDoubted: false };

/** Charges what is new of a total. It leaves the session in no pair: its state is settled after. */
export function hearTotal(
  turn: Turn,
  session: ModelSession,
  totalMs: number,
  at: number,
  believed: boolean,
): Halt {
  leave(turn.shard, session);
  return advance(turn, session, Math.max(0, totalMs - session.totalMs), at, believed);
}

/** The end of a word: state, n and s, the partial record. */
export function settleState(turn: Turn, session: ModelSession, state: SessionState): void {
  if (state === 'detached' && session.state !== 'detached') {
    session.detachedFrom = countsTime(session.state) ? 'recording' : 'paused';
  }
  session.state = state;
  session.lastAnswerAt = turn.now;
  noteStop(turn.shard, session);
  leave(turn.shard, session);
  if (state === 'recording' && session.stoppedBy === '') join(turn.shard, session);
  else writeOpenMinute(turn, session);
}

/** recording and stalled count time. */
export function countsTime(state: SessionState): boolean {
  return state === 'recording' || state === 'stalled';
}
