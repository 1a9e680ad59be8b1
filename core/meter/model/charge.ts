/** Rule 5, a charge, and rule 19, its split at every boundary. */
import { organizationBudget } from '../budget-name.ts';
import { roomMs } from './budget.ts';
import { afterCharge } from './limit.ts';
import {
  drawsOn,
  noteStop,
  ownPeriod,
  periodNames,
  stopIfBudgetsAreStopped,
} from './membership.ts';
import { writeFinishedMinutes, writeOpenMinute } from './minute.ts';
import type { ModelBudget, ModelSession } from './shard.ts';
import { organizationBudgets } from './shard.ts';
import type { Turn } from './turn.ts';
import { putSession } from './turn.ts';

/** Why charging stopped at a boundary, if it did. */
export interface Halt {
  missingPeriod: number | null;
  boundaryDoubted: boolean;
}

/**
 * A word: the session has `growthMs` more than its total, measured at the instant `at`. The
 * session must stand in no pair while this runs: F moves.
 */
export function advance(
  turn: Turn,
  session: ModelSession,
  growthMs: number,
  at: number,
  believed: boolean,
): Halt {
  let restMs = growthMs;
  for (;;) {
    const { endsAt } = ownPeriod(turn.shard, session);
    if (endsAt === null || at < endsAt) break;
    const partMs = Math.min(restMs, Math.max(0, endsAt - session.chargedUpTo));
    take(turn, session, partMs);
    restMs -= partMs;
    // Never earlier than it was: who began after that end is owed no gap before its beginning.
    session.chargedUpTo = Math.max(session.chargedUpTo, endsAt);
    if (!believed) return { missingPeriod: null, boundaryDoubted: true };
    if (!periodNames(session, endsAt).every((name) => turn.shard.budgets.has(name))) {
      return { missingPeriod: endsAt, boundaryDoubted: false };
    }
    enterPeriod(turn, session, endsAt);
  }
  take(turn, session, restMs);
  session.chargedUpTo = at;
  return { missingPeriod: null, boundaryDoubted: false };
}

/** The session draws on the budgets of another period from here on. */
export function enterPeriod(turn: Turn, session: ModelSession, period: number): void {
  writeOpenMinute(turn, session);
  noteStop(turn.shard, session);
  session.period = period;
  session.marks.push({ period, chargedMs: session.chargedMs });
  stopIfBudgetsAreStopped(turn.shard, session);
}

/** Proven time in the present period: charged as far as there is room, the rest overshoot. */
export function take(turn: Turn, session: ModelSession, provenMs: number): void {
  if (provenMs <= 0) return;
  const overshootMs = provenMs - charge(turn, session, provenMs);
  session.totalMs += provenMs;
  session.overshootMs += overshootMs;
  if (overshootMs > 0) putSession(turn, session);
}

/** Charges at most the room of every budget drawn on; returns how much. */
function charge(turn: Turn, session: ModelSession, wantedMs: number): number {
  const budgets = drawsOn(turn.shard, session);
  const rooms = budgets.map((budget) => roomMs(turn.shard, budget));
  const chargedMs = Math.max(0, Math.min(wantedMs, ...rooms));
  const beforeMs = session.chargedMs;
  session.chargedMs += chargedMs;
  const drawnMs = budgets.reduce((sum, budget) => sum + burn(turn, session, budget, chargedMs), 0);
  writeFinishedMinutes(turn, session, beforeMs);
  for (const budget of budgets) afterCharge(turn, budget);
  // Extra minutes are shared by all periods: a draw moves the limits of the others too.
  if (drawnMs > 0) {
    for (const budget of organizationBudgets(turn.shard, session.org)) {
      const isOver = budget.endsAt !== null && turn.now >= budget.endsAt;
      if (!budgets.includes(budget) && !isOver) afterCharge(turn, budget);
    }
  }
  return chargedMs;
}

/** Plan, then extra, then overage. Returns what was drawn from extra minutes. */
function burn(turn: Turn, session: ModelSession, budget: ModelBudget, chargedMs: number): number {
  const { quotaMs } = budget;
  const plan = quotaMs === null ? chargedMs : Math.max(0, quotaMs - budget.planMs);
  const planMs = Math.min(chargedMs, plan);
  const account = turn.shard.accounts.get(budget.org);
  let extraMs = 0;
  if (budget.scope === 'organization' && account !== undefined) {
    extraMs = Math.min(chargedMs - planMs, Math.max(0, account.grantedMs - account.drawnMs));
    account.drawnMs += extraMs;
  }
  const overageMs = chargedMs - planMs - extraMs;
  budget.usedMs += chargedMs;
  budget.planMs += planMs;
  budget.extraMs += extraMs;
  budget.overageMs += overageMs;
  if (budget.name === organizationBudget(session.org, session.period)) {
    session.bySource.planMs += planMs;
    session.bySource.extraMs += extraMs;
    session.bySource.overageMs += overageMs;
  }
  return extraMs;
}
