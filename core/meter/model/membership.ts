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

/** Into n and s of every budget it draws on, or, of one that has stopped it, the unproven pair. */
export function join(shard: ModelShard, session: ModelSession): void {
  for (const budget of drawsOn(shard, session)) {
    const place = session.stoppedIn.has(budget.name) ? 'unproven' : 'counted';
    session.places.set(budget.name, place);
    move(budget, place, 1, session.chargedUpTo);
  }
}

/** Out of all pairs: with its word, when it stalls, when it ends. F must not have moved since. */
export function leave(shard: ModelShard, session: ModelSession): void {
  for (const [name, place] of session.places) {
    const budget = shard.budgets.get(name);
    if (budget !== undefined) move(budget, place, -1, session.chargedUpTo);
  }
  session.places.clear();
}

function move(budget: ModelBudget, place: 'counted' | 'unproven', by: 1 | -1, upTo: number): void {
  const frontierMs = by * (upTo - budget.startsAt);
  if (place === 'counted') {
    budget.burnRate += by;
    budget.frontierSumMs += frontierMs;
  } else {
    budget.unprovenCount += by;
    budget.unprovenSumMs += frontierMs;
  }
}

export function isStopped(session: ModelSession): boolean {
  return session.stoppedBy !== '' || session.stoppedIn.size > 0;
}

/** Its word, or its end, notes by which budget it was stopped: the first in order. Final. */
export function noteStop(shard: ModelShard, session: ModelSession): void {
  if (session.stoppedBy !== '' || session.state === 'ended') return;
  const by = drawsOn(shard, session).find((budget) => session.stoppedIn.has(budget.name));
  if (by !== undefined) session.stoppedBy = by.name;
}

/**
 * A session that comes upon a budget which is stopped already is stopped by it: that budget will
 * not stop a second time, so nothing else would ever tell this session.
 */
export function stopIfBudgetsAreStopped(shard: ModelShard, session: ModelSession): void {
  if (session.state === 'ended') return;
  for (const budget of drawsOn(shard, session)) {
    if (budget.stoppedAt > 0) session.stoppedIn.add(budget.name);
  }
}
