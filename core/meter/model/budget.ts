/** How much is left of a budget, and how it is shown (README: "Budgets that know when they run out"). */
import type { BudgetRow, Level } from '../rows.ts';
import { LimitMode } from '../rows.ts';
import type { ModelBudget, ModelShard } from './shard.ts';

/** max(0, granted − drawn), for organizations only: extra minutes belong to no period. */
export function extraRemainingMs(shard: ModelShard, budget: ModelBudget): number {
  const account = shard.accounts.get(budget.org);
  if (budget.scope !== 'organization' || account === undefined) return 0;
  return Math.max(0, account.grantedMs - account.drawnMs);
}

/** null = unlimited */
export function remainingMs(shard: ModelShard, budget: ModelBudget): number | null {
  const { quotaMs, mode, overageCapMs } = budget;
  if (quotaMs === null || mode === LimitMode.shadow) return null;
  if (mode === LimitMode.overage && overageCapMs === null) return null;
  const plan = Math.max(0, quotaMs - budget.planMs);
  const cap = mode === LimitMode.overage ? Math.max(0, (overageCapMs ?? 0) - budget.overageMs) : 0;
  return plan + extraRemainingMs(shard, budget) + cap;
}

/** What a charge may still take: remaining, infinity when unlimited. */
export function roomMs(shard: ModelShard, budget: ModelBudget): number {
  return remainingMs(shard, budget) ?? Number.POSITIVE_INFINITY;
}

/** limit = used + remaining; infinity when unlimited. */
export function limitMs(shard: ModelShard, budget: ModelBudget): number {
  return budget.usedMs + roomMs(shard, budget);
}

/** The version that a crossing carries: a grant moves an organization's limit as a quota does. */
export function versionOf(shard: ModelShard, budget: ModelBudget): number {
  if (budget.scope !== 'organization') return budget.version;
  return Math.max(budget.version, shard.accounts.get(budget.org)?.version ?? 0);
}

/** Where the next millisecond would be drawn from. Its change is published (rule 7). */
export function sourceOf(shard: ModelShard, budget: ModelBudget): 'plan' | 'extra' | 'overage' {
  if (budget.quotaMs === null || budget.planMs < budget.quotaMs) return 'plan';
  return extraRemainingMs(shard, budget) > 0 ? 'extra' : 'overage';
}

/** Rule 9: equality holds. */
export function levelHolds(shard: ModelShard, budget: ModelBudget, level: Level): boolean {
  if (level > 0) {
    return budget.quotaMs !== null && budget.planMs * 100 >= level * budget.quotaMs;
  }
  const remaining = remainingMs(shard, budget);
  return remaining !== null && remaining <= -level;
}

/** Rule 9: ten minutes left of five is no news. */
export function levelArmed(shard: ModelShard, budget: ModelBudget, level: Level): boolean {
  return level > 0 || -level < limitMs(shard, budget);
}

export function budgetRow(shard: ModelShard, budget: ModelBudget): BudgetRow {
  return {
    name: budget.name,
    seq: budget.seq,
    quotaMs: budget.quotaMs,
    version: versionOf(shard, budget),
    mode: budget.mode,
    startsAt: budget.startsAt,
    endsAt: budget.endsAt,
    usedMs: budget.usedMs,
    planMs: budget.planMs,
    extraMs: budget.extraMs,
    overageMs: budget.overageMs,
    remainingMs: remainingMs(shard, budget),
    extraRemainingMs: extraRemainingMs(shard, budget),
    burnRate: budget.burnRate,
    frontierSumMs: budget.frontierSumMs,
    stops: budget.stops,
    stoppedAt: budget.stoppedAt,
    stopReason: budget.stopReason,
    levels: [...budget.levels],
    crossed: [...budget.crossed],
  };
}
