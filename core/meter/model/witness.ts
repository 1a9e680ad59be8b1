/** Rule 22: a witness raises a session to what it says. */
import type { BudgetName } from '../budget-name.ts';
import type { OpenCommand } from '../open-command.ts';
import type { Witness } from '../rows.ts';
import { compareEpochs } from './beat.ts';
import { enterPeriod, take } from './charge.ts';
import { isStopped, join, leave, periodNames } from './membership.ts';
import { writeOpenMinute } from './minute.ts';
import type { ModelSession } from './shard.ts';
import type { Turn } from './turn.ts';
import { putSession } from './turn.ts';

/** Budgets that a session, and what a witness says of it, would be charged to. */
export function budgetsNeeded(session: ModelSession, witness: Witness | null): BudgetName[] {
  const later = (witness?.marks ?? []).filter((mark) => mark.period > session.period);
  return [session.period, ...later.map((mark) => mark.period)].flatMap((period) =>
    periodNames(session, period),
  );
}

function isOfLastOwner(witness: Witness, session: ModelSession): boolean {
  return compareEpochs(witness.epoch, session.epoch) >= 0;
}

/**
 * Rule 23: with a checkpoint's witness goes what the last owner could not tell. That of an earlier
 * owner is fenced, as its words are.
 */
export function wholeWitness(
  { witness, untold }: Pick<OpenCommand, 'witness' | 'untold'>,
  session: ModelSession,
): Witness | null {
  if (witness === null || !untold || !isOfLastOwner(witness, session)) return witness;
  return {
    ...witness,
    totalMs: witness.totalMs + untold.ms,
    overshootMs: witness.overshootMs + (untold.isForgiven ? untold.ms : 0),
    at: untold.at,
  };
}

/** Who knows more time knows the newer state, too. */
export function isNewest(
  witness: Witness | null,
  session: ModelSession,
): witness is Witness & { state: 'recording' | 'paused' } {
  if (witness === null || witness.state === 'detached') return false;
  return isOfLastOwner(witness, session) && witness.totalMs > session.totalMs;
}

/**
 * The ledger keeps no instants: of a session that came back from it with all that a witness knows, or
 * more, the witness says when that was and whether it recorded. What it does not know came after it.
 */
function place(session: ModelSession, witness: Witness, beyondMs: number): void {
  if (session.state !== 'detached' || session.detachedFrom !== '') return;
  if (witness.state === 'detached') return;
  session.detachedFrom = witness.state;
  session.chargedUpTo = witness.at + beyondMs;
}

/**
 * Charges nothing unless the witness' total is above the session's. It is nobody's word: owner and
 * state stay, and a session that has been stopped has not answered by it.
 */
export function raise(turn: Turn, session: ModelSession, witness: Witness): void {
  const growthMs = witness.totalMs - session.totalMs;
  if (growthMs <= 0) return place(session, witness, -growthMs);
  let stands = session.places.size > 0;
  leave(turn.shard, session);

  const chargedMs = witness.totalMs - witness.overshootMs;
  // What the session has as overshoot is never charged later: only its growth can be, so where
  // the two disagree on overshoot, the charged axis is entered as late as the growth allows.
  const knownMs = Math.max(session.chargedMs, chargedMs - growthMs);
  const first = session.period;
  witness.marks.forEach((mark, i) => {
    if (mark.period < first) return;
    if (mark.period > session.period) {
      if (isStopped(session)) stands = false;
      enterPeriod(turn, session, mark.period);
    }
    const endMs = witness.marks[i + 1]?.chargedMs ?? chargedMs;
    take(turn, session, endMs - Math.max(mark.chargedMs, knownMs));
  });

  const overshootMs = Math.max(session.overshootMs, witness.totalMs - session.chargedMs);
  if (overshootMs > session.overshootMs) putSession(turn, session);
  session.overshootMs = overshootMs;
  session.totalMs = session.chargedMs + overshootMs;
  session.chargedUpTo = witness.at;
  // A witness that knows more time knows the newer state, too.
  if (session.state === 'detached' && witness.state !== 'detached') {
    session.detachedFrom = witness.state;
  }
  if (stands) join(turn.shard, session);
  else writeOpenMinute(turn, session);
}
