/**
 * Told, not yet told (rule 8 of core/meter/README.md): crossed thresholds are state, and each session
 * sends what it has not sent. Pure: rows and what was told in, messages due out.
 */
import { parseBudgetName } from '../core/meter/budget-name.ts';
import type { BudgetRow, Level } from '../core/meter/rows.ts';
import type { Threshold, WarningState } from '../core/protocol/messages.ts';

function thresholdOf(level: Level): Threshold {
  return level > 0 ? { percent: level } : { remainingMs: -level };
}

/**
 * Unique per threshold, scope, period and limit version; the same on every gateway and after any
 * reconnect. Outside effects are deduplicated by it.
 */
export function warningId(budget: string, level: Level, version: number): string {
  const what = level > 0 ? `${level}percent` : `${-level}msLeft`;
  return `${budget.replaceAll('|', '/')}/${version}/${what}`;
}

/** The warnings that hold on a budget now, in the order in which they are told. */
export function warningsOf(row: BudgetRow): WarningState[] {
  const { scope } = parseBudgetName(row.name);
  const states: WarningState[] = [];
  row.levels.forEach((level, i) => {
    const version = row.crossed[i] ?? 0;
    if (version === 0) return;
    const id = warningId(row.name, level, version);
    states.push({ id, threshold: thresholdOf(level), scope });
  });
  return states;
}

export interface Due {
  warnings: { state: WarningState; row: BudgetRow }[];
  /** ids of what was told and no longer holds */
  recovered: string[];
}

/** What a session has yet to tell, of all budgets it draws on. */
export function due(told: ReadonlyMap<string, WarningState>, rows: readonly BudgetRow[]): Due {
  const holding = new Set<string>();
  const warnings: Due['warnings'] = [];
  for (const row of rows) {
    for (const state of warningsOf(row)) {
      holding.add(state.id);
      if (!told.has(state.id)) warnings.push({ state, row });
    }
  }
  return { warnings, recovered: [...told.keys()].filter((id) => !holding.has(id)) };
}
