/**
 * One command's turn on one shard: the instant it is decided at, what it wrote to the unsettled
 * set, and, when it is finished, what it must tell (rule 7). Mirrors a script, which reads TIME
 * once and writes at its end: a budget's `seq` rises once a turn, however often it was touched.
 */
import type { BudgetName } from '../budget-name.ts';
import type { BudgetRow, MeterEvent } from '../rows.ts';
import { budgetRow, limitMs, sourceOf } from './budget.ts';
import { forget } from './session.ts';
import type { ModelBudget, ModelHead, ModelSession, ModelShard } from './shard.ts';
import { sessionKey } from './shard.ts';

/** Rules 6 and 20, in real time. */
export const PROOF_WINDOW_MS = 2_000;

export interface Turn {
  shard: ModelShard;
  head: ModelHead;
  now: number;
  realAt: number;
  /** fields put into the unsettled set by this turn */
  fields: Set<string>;
  /** what they said before, if they were there */
  overwritten: Map<string, string>;
  events: MeterEvent[];
  /** every budget as it stood: its row, and what must be told of it */
  before: Map<BudgetName, { row: string; told: string }>;
}

export function beginTurn(shard: ModelShard, head: ModelHead, realNow: number): Turn {
  const turn = readingTurn(shard, head, realNow);
  for (const budget of shard.budgets.values()) {
    const told = toldText(shard, budget, turn.now);
    turn.before.set(budget.name, { row: rowText(shard, budget), told });
  }
  return turn;
}

/** A turn that changes nothing. */
export function readingTurn(shard: ModelShard, head: ModelHead, realNow: number): Turn {
  const { clock } = head;
  const realAt = clock.frozen ? clock.realBaseAt : realNow;
  const now = clock.frozen
    ? clock.meterBaseAt
    : Math.floor(clock.meterBaseAt + (realAt - clock.realBaseAt) * clock.speed);
  return {
    shard,
    head,
    now,
    realAt,
    fields: new Set(),
    overwritten: new Map(),
    events: [],
    before: new Map(),
  };
}

/** Raises `seq` of what changed and tells what rule 7 names. Rows are read only after this. */
export function finishTurn(turn: Turn): void {
  for (const budget of turn.shard.budgets.values()) {
    const before = turn.before.get(budget.name);
    if (before?.row === rowText(turn.shard, budget)) continue;
    budget.seq += 1;
    if (before?.told === toldText(turn.shard, budget, turn.now)) continue;
    turn.events.push({ kind: 'budget', row: budgetRow(turn.shard, budget) });
  }
}

/** Rule 20: a boundary is believed only if both clocks agree. */
export function clocksAgree(turn: Turn, gatewayWallMs: number): boolean {
  return Math.abs(turn.realAt - gatewayWallMs) <= PROOF_WINDOW_MS;
}

/** Puts a field into the unsettled set, with the generation that is written (rule 10). */
export function putUnsettled(turn: Turn, field: string, value: number): void {
  const known = turn.shard.unsettled.get(field);
  if (known !== undefined && !turn.fields.has(field)) turn.overwritten.set(field, known);
  turn.shard.unsettled.set(field, `${turn.head.generation}:${value}`);
  turn.fields.add(field);
}

/** The session's own row changed: its value rises, so that what was committed is told apart. */
export function putSession(turn: Turn, session: ModelSession): void {
  session.revision += 1;
  putUnsettled(turn, `s|${sessionKey(session)}`, session.revision);
}

/** A session that turned out to have nothing new leaves no trace, nor the budget made for it. */
export function undo(turn: Turn, session: ModelSession): void {
  for (const field of turn.fields) turn.shard.unsettled.delete(field);
  for (const [field, value] of turn.overwritten) turn.shard.unsettled.set(field, value);
  turn.fields.clear();
  forget(turn.shard, session);
}

export function rowsOf(turn: Turn, names: Iterable<BudgetName>): BudgetRow[] {
  const rows: BudgetRow[] = [];
  for (const name of new Set(names)) {
    const budget = turn.shard.budgets.get(name);
    if (budget !== undefined) rows.push(budgetRow(turn.shard, budget));
  }
  return rows;
}

function rowText(shard: ModelShard, budget: ModelBudget): string {
  return JSON.stringify({ ...budgetRow(shard, budget), seq: 0 });
}

/** n, the limit, crossed levels, the source, and whether it is stopped. */
function toldText(shard: ModelShard, budget: ModelBudget, now: number): string {
  // What another period draws on extra minutes is no news for one that is over.
  const isOver = budget.endsAt !== null && now >= budget.endsAt;
  return JSON.stringify([
    budget.burnRate,
    isOver ? '' : String(limitMs(shard, budget)),
    [budget.quotaMs, budget.mode, budget.overageCapMs, budget.levels, budget.endsAt],
    budgetRow(shard, budget).version,
    budget.crossed,
    isOver ? '' : sourceOf(shard, budget),
    [budget.stops, budget.stoppedAt, budget.stopReason],
  ]);
}
