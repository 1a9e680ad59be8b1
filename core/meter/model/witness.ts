/** Rule 22: a witness raises a session to what it says. */
import type { BudgetName } from '../budget-name.ts';
import type { Witness } from '../commands.ts';
import { charge, enterPeriod } from './charge.ts';
import { join, leave, periodNames } from './membership.ts';
import { writeOpenMinute } from './minute.ts';
import type { ModelSession } from './shard.ts';
import type { Turn } from './turn.ts';
import { putSession } from './turn.ts';

/** Budgets that a session and what a witness says of it draw on, in all periods it would enter. */
export function budgetsNeeded(session: ModelSession, witness: Witness | null): BudgetName[] {
  const later =
    witness !== null && witness.totalMs > session.totalMs
      ? witness.marks.filter((mark) => mark.period > session.period)
      : [];
  return [session.period, ...later.map((mark) => mark.period)].flatMap((period) =>
    periodNames(session, period),
  );
}

/** Changes nothing unless the witness' total is above the session's. State and owner stay. */
export function raise(turn: Turn, session: ModelSession, witness: Witness): void {
  const growthMs = witness.totalMs - session.totalMs;
  if (growthMs <= 0) return;
  const counted = [...session.places.values()].includes('counted');
  leave(turn.shard, session);

  const witnessChargedMs = witness.totalMs - witness.overshootMs;
  // What the session has as overshoot is never charged later: only its growth can be, so where
  // the two disagree on overshoot, the charged axis is entered as late as the growth allows.
  const knownMs = Math.max(session.chargedMs, witnessChargedMs - growthMs);
  const periodBefore = session.period;
  witness.marks.forEach((mark, i) => {
    if (mark.period < periodBefore) return;
    if (mark.period > session.period) enterPeriod(turn, session, mark.period);
    const endMs = witness.marks[i + 1]?.chargedMs ?? witnessChargedMs;
    const segmentMs = endMs - Math.max(mark.chargedMs, knownMs);
    if (segmentMs > 0) charge(turn, session, segmentMs);
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
  if (counted) join(turn.shard, session);
  if (session.state !== 'recording' || session.stoppedBy !== '') writeOpenMinute(turn, session);
}
