/** Rows as the meter would tell them, for tests of what follows from them. */
import type { BudgetRow, SessionRow } from './rows.ts';
import { BOUNDARY, ORG, START, USER } from './test-world.ts';

/** An organization's budget of ten minutes on which nobody records; levels of 80, 90, 100 percent. */
export function budgetRow(more: Partial<BudgetRow> = {}): BudgetRow {
  return {
    ...{ name: `o|${ORG}|${START}`, seq: 1, quotaMs: 600_000, version: 1, mode: 0 },
    ...{ startsAt: START, endsAt: BOUNDARY, usedMs: 0, planMs: 0, extraMs: 0, overageMs: 0 },
    ...{ remainingMs: 600_000, extraRemainingMs: 0, burnRate: 0, frontierSumMs: 0 },
    ...{ stops: 0, stoppedAt: 0, stopReason: '', levels: [80, 90, 100], crossed: [0, 0, 0] },
    ...more,
  };
}

/** `n` sessions record on it, all charged up to `at`. */
export function recordingRow(n: number, at: number, more: Partial<BudgetRow> = {}): BudgetRow {
  return budgetRow({ burnRate: n, frontierSumMs: n * (at - START), ...more });
}

export function sessionRow(more: Partial<SessionRow> = {}): SessionRow {
  return {
    ...{ session: 's1', org: ORG, user: USER, epoch: { generation: 1, counter: 1 } },
    ...{ state: 'recording', totalMs: 0, chargedMs: 0, overshootMs: 0, chargedUpTo: START },
    ...{ lastAnswerAt: START, startedAt: START, endedAt: 0, reason: '', stoppedBy: '' },
    ...{ period: START, marks: [{ period: START, chargedMs: 0 }], unsettled: 0 },
    bySource: { planMs: 0, extraMs: 0, overageMs: 0 },
    ...more,
  };
}
