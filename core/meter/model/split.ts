/** Rule 12: the live split into plan, extra and overage follows the ledger; `used` is never touched. */
import type { ModelAccount, ModelBudget, ModelShard } from './shard.ts';
import { organizationBudgets } from './shard.ts';

/** All budgets of the organization anew, the older period first: it burns extra minutes first. */
export function splitOrganization(shard: ModelShard, org: string): void {
  const account = shard.accounts.get(org);
  const budgets = organizationBudgets(shard, org);
  for (const budget of budgets) {
    const othersMs = unsettledExtraMs(budgets.filter((other) => other !== budget));
    const granted = account?.grantedMs ?? 0;
    split(budget, granted - (account?.settled.drawnMs ?? 0) - othersMs);
  }
  if (account !== undefined) account.drawnMs = drawnMs(account, budgets);
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

function unsettledExtraMs(budgets: ModelBudget[]): number {
  return budgets.reduce((sum, budget) => sum + budget.extraMs - budget.settled.extraMs, 0);
}

function drawnMs(account: ModelAccount, budgets: ModelBudget[]): number {
  return account.settled.drawnMs + unsettledExtraMs(budgets);
}
