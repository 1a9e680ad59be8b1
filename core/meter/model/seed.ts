/** `seed`: absolute limits and grants with their versions (rule 7), from one snapshot of Postgres. */

import { organizationBudget, parseBudgetName } from '../budget-name.ts';
import type { AccountSeed, BudgetSeed, SeedCommand, SeedReply } from '../commands.ts';
import { shorten } from './cut.ts';
import { afterCharge, afterFirstSeed, afterLimitChange, clearStop, stopBudget } from './limit.ts';
import type { ModelBudget, ModelShard } from './shard.ts';
import { organizationBudgets } from './shard.ts';
import { splitAlone, splitOrganization } from './split.ts';
import type { Turn } from './turn.ts';
import { finishTurn, rowsOf } from './turn.ts';

export function seed(turn: Turn, command: SeedCommand): SeedReply {
  if (command.generation !== turn.head.generation) return { status: 'staleGeneration' };
  const { shard } = turn;
  const wasSuspended = shard.accounts.get(command.org)?.suspended ?? false;

  // All figures first: they are of one snapshot, and nothing may be decided between them.
  const granted = seedAccount(turn, command.account);
  const created = new Set<ModelBudget>();
  const moved = new Set<ModelBudget>();
  for (const budgetSeed of command.budgets) {
    const budget = shard.budgets.get(budgetSeed.name);
    if (budget === undefined) created.add(createBudget(turn, budgetSeed));
    else if (changeLimit(budget, budgetSeed)) moved.add(budget);
  }
  for (const budgetSeed of command.budgets) endAsKnown(shard, budgetSeed);
  const ofOrganization = organizationBudgets(shard, command.org);
  const touched = new Set([...created, ...moved, ...(granted ? ofOrganization : [])]);
  const anew = ofOrganization.some((budget) => touched.has(budget));
  if (anew) splitOrganization(shard, command.org);
  for (const budget of touched) if (budget.scope !== 'organization') splitAlone(budget);

  for (const budget of touched) {
    if (created.has(budget)) afterFirstSeed(turn, budget);
    else afterLimitChange(turn, budget);
  }
  if (anew) {
    for (const budget of ofOrganization) if (!touched.has(budget)) afterCharge(turn, budget);
  }
  suspend(turn, command.org, wasSuspended, created);
  finishTurn(turn);
  const names = command.budgets.map((budgetSeed) => budgetSeed.name);
  return { status: 'ok', now: turn.now, budgets: rowsOf(turn, names) };
}

/**
 * True if its version was higher: grant and suspension are one versioned state. What is drawn
 * counts only where nothing was known: later it comes with the sums of the budgets that drew it
 * (`settled`), or it would be counted twice.
 */
function seedAccount(turn: Turn, accountSeed: AccountSeed): boolean {
  const { org, grantedMs, version, suspended } = accountSeed;
  let account = turn.shard.accounts.get(org);
  if (account === undefined) {
    const { sequence, drawnMs } = accountSeed.drawn;
    const settled = { sequence, drawnMs };
    account = { org, grantedMs: 0, version: 0, suspended: false, drawnMs, settled };
    turn.shard.accounts.set(org, account);
  }
  if (version <= account.version) return false;
  Object.assign(account, { grantedMs, version, suspended });
  return true;
}

function createBudget(turn: Turn, budgetSeed: BudgetSeed): ModelBudget {
  const { name: _, ...settled } = budgetSeed.settled;
  const budget: ModelBudget = {
    name: budgetSeed.name,
    org: budgetSeed.org,
    scope: parseBudgetName(budgetSeed.name).scope,
    seq: 0,
    quotaMs: budgetSeed.quotaMs,
    version: budgetSeed.version,
    mode: budgetSeed.mode,
    overageCapMs: budgetSeed.overageCapMs,
    startsAt: budgetSeed.startsAt,
    endsAt: budgetSeed.endsAt,
    usedMs: settled.usedMs,
    planMs: settled.planMs,
    extraMs: settled.extraMs,
    overageMs: settled.overageMs,
    burnRate: 0,
    frontierSumMs: 0,
    unprovenCount: 0,
    unprovenSumMs: 0,
    stops: 0,
    stoppedAt: 0,
    lastStopAt: 0,
    stopReason: '',
    levels: [...budgetSeed.levels],
    crossed: budgetSeed.levels.map((_level, i) => budgetSeed.crossed[i] ?? 0),
    settled,
  };
  turn.shard.budgets.set(budget.name, budget);
  return budget;
}

/** Whatever the versions, the earlier end holds; a member's period ends with its organization's. */
function endAsKnown(shard: ModelShard, { name, org, startsAt, endsAt }: BudgetSeed): void {
  const ofOrganization = shard.budgets.get(organizationBudget(org, startsAt))?.endsAt;
  for (const known of [endsAt, ofOrganization]) if (known != null) shorten(shard, name, known);
}

/** A lower or equal version is ignored. A level that stays keeps its crossing. */
function changeLimit(budget: ModelBudget, budgetSeed: BudgetSeed): boolean {
  if (budgetSeed.version <= budget.version) return false;
  const crossedBefore = new Map(budget.levels.map((level, i) => [level, budget.crossed[i] ?? 0]));
  budget.quotaMs = budgetSeed.quotaMs;
  budget.version = budgetSeed.version;
  budget.mode = budgetSeed.mode;
  budget.overageCapMs = budgetSeed.overageCapMs;
  budget.levels = [...budgetSeed.levels];
  budget.crossed = budget.levels.map((level) => crossedBefore.get(level) ?? 0);
  return true;
}

/** Stops what runs, and what is made meanwhile; when it is lifted, the limit decides again. */
function suspend(turn: Turn, org: string, wasSuspended: boolean, created: Set<ModelBudget>): void {
  const isSuspended = turn.shard.accounts.get(org)?.suspended ?? false;
  for (const budget of organizationBudgets(turn.shard, org)) {
    const isOver = budget.endsAt !== null && turn.now >= budget.endsAt;
    if (isSuspended && !isOver && (!wasSuspended || created.has(budget))) {
      stopBudget(turn, budget, 'organizationSuspended');
    }
    if (wasSuspended && !isSuspended && budget.stopReason === 'organizationSuspended') {
      clearStop(budget);
      afterCharge(turn, budget);
    }
  }
}
