/** Rule 22: a witness raises a session to what it says. */
import { type BudgetName, organizationBudget } from '../budget-name.ts';
import type { OpenCommand } from '../open-command.ts';
import type { Untold, Witness } from '../rows.ts';
import { compareEpochs } from './beat.ts';
import { enterPeriod, take } from './charge.ts';
import { isStopped, join, leave, periodNames } from './membership.ts';
import { writeOpenMinute } from './minute.ts';
import type { ModelSession, ModelShard } from './shard.ts';
import type { Turn } from './turn.ts';
import { clocksAgree, putSession } from './turn.ts';
import { hearTotal } from './word.ts';

/** Budgets that a session, and what a witness says of it, would be charged to. */
export function budgetsNeeded(session: ModelSession, witness: Witness | null): BudgetName[] {
  const later = (witness?.marks ?? []).filter((mark) => mark.period > session.period);
  return [session.period, ...later.map((mark) => mark.period)].flatMap((period) =>
    periodNames(session, period),
  );
}

/** Those of the next period, where what could not be told was proven in it. */
export function budgetsOfUntold(
  { budgets }: ModelShard,
  session: ModelSession,
  untold: Untold | null,
): BudgetName[] {
  const endsAt = budgets.get(organizationBudget(session.org, session.period))?.endsAt ?? null;
  return untold === null || endsAt === null || untold.at < endsAt
    ? []
    : periodNames(session, endsAt);
}

/** Rule 23: what the last owner could not tell; that of an earlier one is fenced, as its words are. */
export function untoldIn(
  { now }: Turn,
  { witness, untold }: Pick<OpenCommand, 'witness' | 'untold'>,
  session: ModelSession,
): Untold | null {
  if (witness === null || !untold || !isOfLastOwner(witness, session)) return null;
  const { ms, at, isForgiven } = untold;
  // Of a clock that has been set back since.
  return { ms, at: Math.min(at, now), isForgiven };
}

function isOfLastOwner(witness: Witness, session: ModelSession): boolean {
  return compareEpochs(witness.epoch, session.epoch) >= 0;
}

/**
 * Raises a session to a checkpoint's witness, and with it what its gateway could not tell, as a word of
 * that instant. Who knows more time, or a later proof of the same, knows the newer state, too: that is
 * what it answers.
 */
export function recall(
  turn: Turn,
  session: ModelSession,
  command: Pick<OpenCommand, 'witness' | 'untold' | 'gatewayWallMs'>,
): 'recording' | 'paused' | null {
  const { witness, gatewayWallMs } = command;
  if (witness === null) return null;
  const untold = untoldIn(turn, command, session);
  const newest = newestState(witness, untold, session);
  raise(turn, session, untold?.isForgiven ? withForgiven(witness, untold) : witness);
  if (newest === null || untold === null) return newest;
  const stood = session.places.size > 0;
  const believed = clocksAgree(turn, gatewayWallMs);
  const at = Math.max(untold.at, session.chargedUpTo);
  hearTotal(turn, session, witness.totalMs + untold.ms, at, believed);
  if (stood) join(turn.shard, session);
  else writeOpenMinute(turn, session);
  return newest;
}

function newestState(witness: Witness, untold: Untold | null, session: ModelSession) {
  if (witness.state === 'detached' || !isOfLastOwner(witness, session)) return null;
  const aheadMs = witness.totalMs + (untold?.ms ?? 0) - session.totalMs;
  const isLater = aheadMs === 0 && untold !== null && untold.at > session.chargedUpTo;
  return aheadMs > 0 || isLater ? witness.state : null;
}

function withForgiven(witness: Witness, { ms, at }: Untold): Witness {
  const { epoch, totalMs, overshootMs, state, marks } = witness;
  return { epoch, totalMs: totalMs + ms, overshootMs: overshootMs + ms, at, state, marks };
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
