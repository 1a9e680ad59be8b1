/** Which budgets a session draws on, and where it stands in their pairs (rule 6). */
import type { BudgetName } from '../budget-name.ts';
import { memberBudget, organizationBudget, sessionBudget } from '../budget-name.ts';
import type { ModelBudget, ModelSession, ModelShard } from './shard.ts';

/** Organization, member, and its own where it has one: the order in which a limit is named. */
export function drawsOn(shard: ModelShard, session: ModelSession): ModelBudget[] {
  return namesOf(session, session.period).flatMap((name) => shard.budgets.get(name) ?? []);
}

export function namesOf(session: ModelSession, period: number): BudgetName[] {
  return [...periodNames(session, period), sessionBudget(session.org, session.session)];
}

export function periodNames(of: { org: string; user: string }, period: number): BudgetName[] {
  return [organizationBudget(of.org, period), memberBudget(of.org, of.user, period)];
}

/** The budget whose period the session is in. Commands check that it is there before they act. */
export function ownPeriod(shard: ModelShard, session: ModelSession): ModelBudget {
  const name = organizationBudget(session.org, session.period);
  const budget = shard.budgets.get(name);
  if (budget === undefined)
    throw new Error(`${session.session} draws on ${name}, which is missing`);
  return budget;
}

/** Only recording, and not stopped, is in n and s. */
export function join(shard: ModelShard, session: ModelSession): void {
  if (session.state !== 'recording' || session.stoppedBy !== '') return;
  for (const budget of drawsOn(shard, session)) {
    budget.burnRate += 1;
    budget.frontierSumMs += session.chargedUpTo - budget.startsAt;
    session.places.set(budget.name, 'counted');
  }
}

/** Out of n and s and, with its word or its end, out of the unproven pairs. */
export function leave(shard: ModelShard, session: ModelSession): void {
  leaveCounted(shard, session);
  for (const [name] of session.places) {
    const budget = shard.budgets.get(name);
    if (budget === undefined) continue;
    budget.unprovenCount -= 1;
    budget.unprovenSumMs -= session.chargedUpTo - budget.startsAt;
  }
  session.places.clear();
}

/** A stalled session is not projected, but what it may still prove stays in the unproven pair. */
export function leaveCounted(shard: ModelShard, session: ModelSession): void {
  for (const [name, place] of session.places) {
    const budget = shard.budgets.get(name);
    if (place !== 'counted' || budget === undefined) continue;
    budget.burnRate -= 1;
    budget.frontierSumMs -= session.chargedUpTo - budget.startsAt;
    session.places.delete(name);
  }
}

/**
 * A session that comes upon a budget which is stopped already is stopped by it: that budget will
 * not stop a second time, so nothing else would ever tell this session.
 */
export function stopIfBudgetsAreStopped(shard: ModelShard, session: ModelSession): void {
  if (session.state === 'ended' || session.stoppedBy !== '') return;
  const stopped = drawsOn(shard, session).find((budget) => budget.stoppedAt > 0);
  if (stopped !== undefined) session.stoppedBy = stopped.name;
}
