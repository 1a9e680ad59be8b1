/**
 * Told, not yet told (rule 8 of core/meter/README.md): crossed thresholds are state, and each session
 * sends what it has not sent. Pure: rows and what was told in, messages due out.
 */
import { type BudgetName, parseBudgetName } from '../core/meter/budget-name.ts';
import type { BudgetRow, Level } from '../core/meter/rows.ts';
import type { Source, Threshold, WarningState } from '../core/protocol/messages.ts';

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

/** A warning that holds, of which budget, and the version of the limits at which it was crossed. */
export interface Holding {
  state: WarningState;
  row: BudgetRow;
  version: number;
}

/** The warnings that hold on a budget now, in the order in which they are told. */
export function holdingOn(row: BudgetRow): Holding[] {
  const { scope } = parseBudgetName(row.name);
  const holding: Holding[] = [];
  row.levels.forEach((level, i) => {
    const version = row.crossed[i] ?? 0;
    if (version === 0) return;
    const id = warningId(row.name, level, version);
    holding.push({ state: { id, threshold: thresholdOf(level), scope }, row, version });
  });
  return holding;
}

/** What a recorder was told of, by the warning's id. */
export type Told = ReadonlyMap<string, { budget: BudgetName; version: number }>;

export interface Due {
  warnings: Holding[];
  /** ids of what was told and no longer holds */
  recovered: string[];
}

/**
 * What a session has yet to tell, of all budgets it draws on. A warning is withdrawn only after a
 * change of limit, which raises the version, or with its budget, by a new period: while a shard is
 * being recovered a budget may be unknown or stand lower for a moment, and that withdraws nothing.
 * @param rows of the budgets it draws on, as far as they are known
 */
export function due(
  told: Told,
  rows: readonly BudgetRow[],
  draws: { has(name: BudgetName): boolean },
): Due {
  const holding = rows.flatMap(holdingOn);
  const ids = new Set(holding.map(({ state }) => state.id));
  const versions = new Map(rows.map((row) => [row.name, row.version]));
  const recovered: string[] = [];
  for (const [id, { budget, version }] of told) {
    if (ids.has(id)) continue;
    const isOfNewLimits = (versions.get(budget) ?? version) > version;
    if (isOfNewLimits || !draws.has(budget)) recovered.push(id);
  }
  return { warnings: holding.filter(({ state }) => !told.has(state.id)), recovered };
}

const ORDER: Record<Source, number> = { plan: 0, extra: 1, overage: 2 };

/** What a recorder was last told of where its time is drawn from. */
export interface ToldSource {
  source: Source;
  budget: BudgetName;
  version: number;
}

/** Whether a source is news: the way back, from extra minutes to the plan, needs new limits too. */
export function isNewSource(told: ToldSource, now: ToldSource): boolean {
  if (ORDER[now.source] >= ORDER[told.source]) return now.source !== told.source;
  return now.budget !== told.budget || now.version > told.version;
}
