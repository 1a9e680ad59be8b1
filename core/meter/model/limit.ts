/** What follows when a budget was charged or its limit moved: crossings (rules 8, 9) and stops (6). */
import type { StopReason } from '../rows.ts';
import { levelArmed, levelHolds, roomMs, versionOf } from './budget.ts';
import { drawsOn } from './membership.ts';
import type { ModelBudget } from './shard.ts';
import type { Turn } from './turn.ts';
import { putUnsettled } from './turn.ts';

/** After a charge, or after a new split: crosses what holds now and did not; withdraws nothing. */
export function afterCharge(turn: Turn, budget: ModelBudget): void {
  budget.levels.forEach((level, i) => {
    if (budget.crossed[i] !== 0 || !levelArmed(turn.shard, budget, level)) return;
    if (levelHolds(turn.shard, budget, level)) cross(turn, budget, i);
  });
  stopIfNothingRemains(turn, budget);
}

/**
 * A budget that is new here brings its crossings from the ledger. One of the present version held
 * when it was crossed, and no limit has changed since: it is kept even where what is settled does
 * not show it yet (recovery), or it would be told twice. Of an older one only what is seen counts.
 */
export function afterFirstSeed(turn: Turn, budget: ModelBudget): void {
  const version = versionOf(turn.shard, budget);
  budget.levels.forEach((level, i) => {
    const isPresent = budget.crossed[i] === version;
    if (!isPresent && !levelHolds(turn.shard, budget, level)) budget.crossed[i] = 0;
  });
  afterCharge(turn, budget);
}

/** After a change of quota, mode, cap, levels or grant. */
export function afterLimitChange(turn: Turn, budget: ModelBudget): void {
  budget.levels.forEach((level, i) => {
    if (!levelHolds(turn.shard, budget, level)) budget.crossed[i] = 0;
  });
  const hasRoom = roomMs(turn.shard, budget) > 0;
  // A suspension is cleared only by its end.
  if (hasRoom && budget.stopReason === 'limitReached') clearStop(budget);
  afterCharge(turn, budget);
}

function stopIfNothingRemains(turn: Turn, budget: ModelBudget): void {
  if (roomMs(turn.shard, budget) > 0 || budget.stoppedAt > 0) return;
  if (budget.endsAt !== null && turn.now >= budget.endsAt) return;
  stopBudget(turn, budget, 'limitReached');
}

/**
 * Stops whoever draws on it, stalled, paused and detached ones too: a stop is final, and who is
 * silent now must not go on when it returns. What the counted ones may still prove is kept apart.
 */
export function stopBudget(turn: Turn, budget: ModelBudget, reason: StopReason): void {
  budget.stops += 1;
  budget.stoppedAt = turn.now;
  budget.lastStopAt = turn.now;
  budget.stopReason = reason;
  // The end of the plan is above all its percent levels; a suspension says nothing of the plan.
  if (reason === 'limitReached') {
    budget.levels.forEach((level, i) => {
      if (level > 0 && budget.crossed[i] === 0) cross(turn, budget, i);
    });
  }
  budget.unprovenCount += budget.burnRate;
  budget.unprovenSumMs += budget.frontierSumMs;
  budget.burnRate = 0;
  budget.frontierSumMs = 0;
  for (const session of turn.shard.sessions.values()) {
    if (session.places.has(budget.name)) session.places.set(budget.name, 'unproven');
    if (session.state === 'ended') continue;
    if (drawsOn(turn.shard, session).includes(budget)) session.stoppedIn.add(budget.name);
  }
}

export function clearStop(budget: ModelBudget): void {
  budget.stoppedAt = 0;
  budget.stopReason = '';
}

/** A crossing is versioned state, and a field of the unsettled set, so that the ledger learns of it. */
function cross(turn: Turn, budget: ModelBudget, index: number): void {
  const version = versionOf(turn.shard, budget);
  budget.crossed[index] = version;
  putUnsettled(turn, `a|${budget.name}|${budget.levels[index]}|${version}`, turn.now);
}
