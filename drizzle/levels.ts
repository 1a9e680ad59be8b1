import type { Level } from '../core/meter/rows.ts';
import type { Thresholds } from './schema/plans.ts';

const MINUTE_MS = 60_000;

/**
 * A plan's thresholds as the meter takes them: percent first, then what is left, each descending in
 * what remains, so that two crossed in one step are told in order.
 */
export function levelsOf({ percent, remainingMinutes }: Thresholds): Level[] {
  const percents = [...new Set(percent)].filter((level) => level > 0);
  const left = [...new Set(remainingMinutes.map((minutes) => Math.round(minutes * MINUTE_MS)))];
  return [
    ...percents.sort((a, b) => a - b),
    ...left
      .filter((ms) => ms > 0)
      .sort((a, b) => b - a)
      .map((ms) => -ms),
  ];
}
