/** Waiting, among what would help at a limit. */
import type { BudgetRow } from '../core/meter/rows.ts';
import type { Action } from '../core/protocol/messages.ts';

/** What of a budget says whether its next period has room. */
type Turning = Pick<BudgetRow, 'quotaMs' | 'endsAt' | 'extraRemainingMs'>;

/**
 * Adds `wait` until the period turns, where the next one has room by the present limit: a quota of
 * nothing gives nothing then, either, and a session's own budget has no period. The least useful, so
 * the last.
 * @param wantedMs what was asked for; left out: any time at all
 */
export function withWait(offered: Action[], budget: Turning | undefined, wantedMs = 1): Action[] {
  if (budget === undefined || budget.endsAt === null || budget.quotaMs === null) return offered;
  if (wantedMs > budget.quotaMs + budget.extraRemainingMs) return offered;
  return [...offered, { type: 'wait', until: budget.endsAt }];
}
