/** Rule 12: the live split into plan, extra and overage follows the ledger; `used` is never touched. */
import type { ModelBudget, ModelShard } from './shard.ts';
import { organizationBudgets } from './shard.ts';

/** All budgets of the organization anew, the older period first: it burns extra minutes first. */
export function splitOrganization(shard: ModelShard, org: string): void {
  const account = shard.accounts.get(org);
  if (account === undefined) return;
  account.drawnMs = account.settled.drawnMs;
  for (const budget of organizationBudgets(shard, org)) {
    split(budget, account.grantedMs - account.drawnMs);
    account.drawnMs += budget.extraMs - budget.settled.extraMs;
  }
}

/** A member's or a session's own budget: plan, the rest overage. */
export function splitAlone(budget: ModelBudget): void {
  split(budget, 0);
}

function split(budget: ModelBudget, extraAvailableMs: number): void {
  const { settled, quotaMs } = budget;
  const unsettledMs = Math.max(0, budget.usedMs - settled.usedMs);
  const planRoomMs = quotaMs === null ? unsettledMs : Math.max(0, quotaMs - settled.planMs);
  const plan = Math.min(unsettledMs, planRoomMs);
  const extra = Math.min(unsettledMs - plan, Math.max(0, extraAvailableMs));
  budget.planMs = settled.planMs + plan;
  budget.extraMs = settled.extraMs + extra;
  budget.overageMs = settled.overageMs + unsettledMs - plan - extra;
}
