/** A session's reading: what the meter says of the budget that binds it now. */
import { scopeOf } from '../core/meter/budget-name.ts';
import { percentOf, runsOutAt, sourceOf } from '../core/meter/projection.ts';
import type { BudgetRow } from '../core/meter/rows.ts';
import type { Reading } from '../core/protocol/messages.ts';

/** The budget that ends first; of several that don't, the one with the least left. */
export function bindingOf(rows: readonly BudgetRow[]): BudgetRow | undefined {
  let binding: BudgetRow | undefined;
  for (const row of rows) if (!binding || isTighter(row, binding)) binding = row;
  return binding;
}

function isTighter(row: BudgetRow, than: BudgetRow): boolean {
  if ((row.remainingMs === 0) !== (than.remainingMs === 0)) return row.remainingMs === 0;
  const [end, otherEnd] = [runsOutAt(row), runsOutAt(than)];
  if (end !== null || otherEnd !== null) return (end ?? Infinity) < (otherEnd ?? Infinity);
  return (row.remainingMs ?? Infinity) < (than.remainingMs ?? Infinity);
}

/** null = unlimited */
export function limitMsOf({ usedMs, remainingMs }: BudgetRow): number | null {
  return remainingMs === null ? null : usedMs + remainingMs;
}

/**
 * @param sessionMs what the meter acknowledged of the session
 * @param at meter time
 */
export function readingOf(row: BudgetRow, sessionMs: number, at: number): Reading {
  return {
    binding: scopeOf(row.name),
    sessionMs,
    usedMs: row.usedMs,
    limitMs: limitMsOf(row),
    remainingMs: row.remainingMs,
    percent: percentOf(row),
    source: sourceOf(row),
    extraRemainingMs: row.extraRemainingMs,
    burnRate: row.burnRate,
    endsAt: runsOutAt(row),
    periodEndsAt: row.endsAt,
    at,
  };
}

/**
 * The same as JSON text, for ticks: written by hand it costs a third of what an object of it and
 * JSON.stringify do (0.6 against 1.9 µs). None of its words needs escaping.
 */
export function readingText(row: BudgetRow, sessionMs: number, at: number): string {
  const { usedMs, remainingMs } = row;
  return `{"binding":"${scopeOf(row.name)}","sessionMs":${sessionMs},"usedMs":${usedMs},"limitMs":${limitMsOf(row)},"remainingMs":${remainingMs},"percent":${percentOf(row)},"source":"${sourceOf(row)}","extraRemainingMs":${row.extraRemainingMs},"burnRate":${row.burnRate},"endsAt":${runsOutAt(row)},"periodEndsAt":${row.endsAt},"at":${at}}`;
}
