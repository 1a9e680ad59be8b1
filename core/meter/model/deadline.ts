/** Rule 6: a stop may rest on a projection, once those who are silent have left it. */
import type { BudgetName } from '../budget-name.ts';
import type { DeadlineReply } from '../commands.ts';
import { budgetRow, remainingMs } from './budget.ts';
import { stopBudget } from './limit.ts';
import { leave } from './membership.ts';
import type { ModelBudget } from './shard.ts';
import type { Turn } from './turn.ts';
import { finishTurn, PROOF_WINDOW_MS } from './turn.ts';

export function deadline(turn: Turn, name: BudgetName): DeadlineReply {
  const { shard, now } = turn;
  const budget = shard.budgets.get(name);
  if (budget === undefined) return { status: 'unknown' };
  if (isDue(turn, budget)) {
    const silentBefore = now - PROOF_WINDOW_MS * turn.head.clock.speed;
    for (const session of shard.sessions.values()) {
      if (session.places.get(name) !== 'counted' || session.chargedUpTo >= silentBefore) continue;
      leave(shard, session);
      session.state = 'stalled';
    }
  }
  const stops = isDue(turn, budget);
  if (stops) stopBudget(turn, budget, 'limitReached');
  finishTurn(turn);
  return { status: stops ? 'stopped' : 'again', now, budget: budgetRow(shard, budget) };
}

/** T = startsAt + (remaining + s) / n ≤ now, without a division. */
function isDue(turn: Turn, budget: ModelBudget): boolean {
  const remaining = remainingMs(turn.shard, budget);
  if (budget.burnRate === 0 || remaining === null || budget.stoppedAt > 0) return false;
  if (budget.endsAt !== null && turn.now >= budget.endsAt) return false;
  const projectedMs = budget.burnRate * (turn.now - budget.startsAt);
  return remaining + budget.frontierSumMs <= projectedMs;
}
