/** Figures with their targets and their noise, and what is shown beside them. */
import { median } from './median.ts';
import type { TargetId } from './targets.ts';

export type Unit = '×' | 'ms' | 'KB' | 'count';

export interface Figure {
  target: TargetId;
  /** what of the target, where it has several figures */
  name: string;
  unit: Unit;
  /** null: its target is only shown */
  limit: number | null;
  /** the figure must not be below the limit, rather than not above it */
  atLeast: boolean;
  /** null: not measured, and `note` says why */
  value: number | null;
  /** the figure of each round, or of each group: its noise */
  rounds: number[];
  note: string;
}

export type Verdict = 'met' | 'missed' | 'not measured' | 'shown';

export function verdictOf({ value, limit, atLeast }: Figure): Verdict {
  if (value === null) return 'not measured';
  if (limit === null) return 'shown';
  return (atLeast ? value >= limit : value <= limit) ? 'met' : 'missed';
}

export interface DotPlot {
  kind: 'dots';
  title: string;
  unit: string;
  /** a dot for each round */
  rows: { name: string; values: number[] }[];
}

export interface Histogram {
  kind: 'histogram';
  title: string;
  groups: { name: string; valuesMs: number[] }[];
  limitMs: number | null;
}

export interface Table {
  title: string;
  head: string[];
  rows: string[][];
}

export interface Outcome {
  figures: Figure[];
  plots: (DotPlot | Histogram)[];
  tables: Table[];
  /** how it was measured, for the report */
  words: string;
}

type Named = Pick<Figure, 'target' | 'name' | 'limit'> & Partial<Pick<Figure, 'atLeast' | 'note'>>;

/**
 * A ratio of medians. Its noise is the ratio of each round: what was measured next to each other is
 * divided by each other.
 */
export function ratioFigure(named: Named, over: number[], under: number[]): Figure {
  const isMeasured = over.length > 0 && under.length > 0;
  const length = Math.min(over.length, under.length);
  return {
    ...{ atLeast: false, note: '', unit: '×', ...named },
    value: isMeasured ? median(over) / median(under) : null,
    rounds: Array.from({ length }, (_, i) => over[i]! / under[i]!),
    ...(!isMeasured && { note: named.note || 'there was no time for it' }),
  };
}

export function notMeasured(named: Named, unit: Unit, why: string): Figure {
  return { atLeast: false, ...named, unit, value: null, rounds: [], note: why };
}
