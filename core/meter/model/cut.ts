/** Rule 19: a running period ends now. */
import { type BudgetName, memberBudget, organizationBudget } from '../budget-name.ts';
import type { CutReply, Recover } from '../commands.ts';
import type { ModelShard } from './shard.ts';
import type { Turn } from './turn.ts';
import { finishTurn } from './turn.ts';

export function cut(turn: Turn, org: string, period: number): Exclude<CutReply, Recover> {
  const { shard, now } = turn;
  const name = organizationBudget(org, period);
  const budget = shard.budgets.get(name);
  if (budget === undefined) return { status: 'unseeded', budgets: [name] };
  const endsAt = budget.endsAt ?? Number.POSITIVE_INFINITY;
  if (now >= endsAt) return { status: 'over', now, at: endsAt };
  if (now <= budget.startsAt) return { status: 'fresh', now, at: budget.startsAt };
  shorten(shard, name, now);
  for (const session of shard.sessions.values()) {
    if (session.org !== org || session.state === 'ended') continue;
    shorten(shard, memberBudget(org, session.user, period), now);
  }
  finishTurn(turn);
  return { status: 'cut', now, at: now };
}

/** An end only moves earlier: so an older word of it needs no version to be told from a newer one. */
export function shorten(shard: ModelShard, name: BudgetName, endsAt: number): void {
  const budget = shard.budgets.get(name);
  if (budget?.endsAt != null && endsAt < budget.endsAt) budget.endsAt = endsAt;
}
