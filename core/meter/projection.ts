/**
 * What follows from a budget's row without asking the meter: its source, its percentage, and the
 * instants at which it will cross a level or run out at the present burn rate. A projection wakes a
 * timer or fills a display; it never counts, warns or stops (rules 4 and 6 of README.md).
 */
import { type BudgetRow, type Level, LimitMode } from './rows.ts';

export type BudgetFigures = Omit<
  BudgetRow,
  'name' | 'seq' | 'version' | 'stops' | 'stoppedAt' | 'stopReason' | 'levels' | 'crossed'
>;

/** Where the next millisecond would be drawn from; what the last one was, if there is no next. */
export function sourceOf(budget: BudgetFigures): 'plan' | 'extra' | 'overage' {
  if (budget.quotaMs === null || budget.planMs < budget.quotaMs) return 'plan';
  if (budget.extraRemainingMs > 0) return 'extra';
  if (budget.mode !== LimitMode.stop) return 'overage';
  return budget.extraMs > 0 ? 'extra' : 'plan';
}

/** Of the plan quota: 0 when unlimited, 100 for a quota of 0. */
export function percentOf({ quotaMs, planMs }: BudgetFigures): number {
  if (quotaMs === null) return 0;
  return quotaMs === 0 ? 100 : (planMs * 100) / quotaMs;
}

/** When `growthMs` more will have been used: T(X) = startsAt + (growth + s) / n. Null when n = 0. */
function reachedAt(budget: BudgetFigures, growthMs: number): number | null {
  if (budget.burnRate === 0) return null;
  return budget.startsAt + (growthMs + budget.frontierSumMs) / budget.burnRate;
}

/** T of the limit. Null where none is in sight: unlimited, nobody records, or the period ends first. */
export function runsOutAt(budget: BudgetFigures): number | null {
  if (budget.remainingMs === null) return null;
  const at = reachedAt(budget, budget.remainingMs);
  if (at === null || (budget.endsAt !== null && at >= budget.endsAt)) return null;
  return Math.ceil(at);
}

/** What must still be used until a level is crossed; null where it never is. */
function growthTo(level: Level, budget: BudgetRow): number | null {
  if (level > 0) {
    if (budget.quotaMs === null) return null;
    return Math.ceil((level * budget.quotaMs) / 100) - budget.planMs;
  }
  if (budget.remainingMs === null) return null;
  const isArmed = -level < budget.usedMs + budget.remainingMs;
  return isArmed ? budget.remainingMs + level : null;
}

/**
 * The instants, in meter time, at which the budget's sessions must be heard: `tickAt`, when a level, the
 * end of the plan or the end of the period comes (their answers cross it), and `stopAt`, when it runs
 * out. A level that is behind already gives an instant in the past.
 */
export function deadlinesOf(budget: BudgetRow): { tickAt: number | null; stopAt: number | null } {
  if (budget.burnRate === 0) return { tickAt: null, stopAt: null };
  const { quotaMs, planMs, levels, crossed } = budget;
  let growth = Number.POSITIVE_INFINITY;
  for (let i = 0; i < levels.length; i++) {
    if (crossed[i] === 0) growth = Math.min(growth, growthTo(levels[i]!, budget) ?? growth);
  }
  if (quotaMs !== null && planMs < quotaMs) growth = Math.min(growth, quotaMs - planMs);
  const tickAt = Math.min(reachedAt(budget, growth)!, budget.endsAt ?? Number.POSITIVE_INFINITY);
  const stopAt = budget.stoppedAt > 0 ? null : runsOutAt(budget);
  return { tickAt: Number.isFinite(tickAt) ? Math.ceil(tickAt) : null, stopAt };
}
