/**
 * When a budget will run out, and how far that may be trusted. Two things are known of the future:
 * who records now, for a while, and how much is recorded on a day, after that. docs/usage.md says it
 * in words; this is all of it.
 */
import { runsOutAt } from '../../../core/meter/projection.ts';
import type { BudgetRow } from '../../../core/meter/rows.ts';

const DAY_MS = 86_400_000;
/** How long sessions last where none was recorded in the past days. */
export const DEFAULT_SESSION_MS = 3_600_000;
const MIN_SESSION_MS = 600_000;
/** Local days that are looked back; today, which is not over, is not among them. */
export const TREND_DAYS = 28;
/** A day so long ago counts half as much. */
const HALF_LIFE_DAYS = 7;

export interface Past {
  /** what was used on each of the last days, the newest first; before the first use there is none */
  daysMs: readonly number[];
  /** of sessions that began in them; null: there were none */
  meanSessionMs: number | null;
}

export type ForecastMethod = 'none' | 'burnRate' | 'trend' | 'burnRateAndTrend';

export interface Forecast {
  /** null = not in this period, or unlimited, or nothing is known */
  endsAt: number | null;
  /** of all that it says, 0 to 1 */
  confidence: number;
  method: ForecastMethod;
  /** what will be used of the budget when its period ends, if nothing stops it */
  periodUsedMs: number | null;
  /** what the trend expects of a day */
  dayMs: number;
}

/** @param at meter time */
export function forecastOf(row: BudgetRow, at: number, past: Past): Forecast {
  const { burnRate: recording, remainingMs } = row;
  const trend = trendOf(past.daysMs);
  const perMs = trend.dayMs / DAY_MS;
  const dayMs = Math.round(trend.dayMs);
  if (recording === 0 && trend.dayMs === 0) {
    return { endsAt: null, confidence: 0, method: 'none', periodUsedMs: row.usedMs, dayMs };
  }
  const aheadMs = Math.max(0, (row.endsAt ?? at) - at);
  // Those who record now go on for as long as sessions do; the trend has them, too, so never both.
  const nowMs = Math.min(
    aheadMs,
    Math.max(MIN_SESSION_MS, past.meanSessionMs ?? DEFAULT_SESSION_MS),
  );
  const nearRate = Math.max(recording, perMs);
  const near = nearRate * nowMs;
  const expected = near + perMs * (aheadMs - nowMs);
  const periodUsedMs = Math.round(row.usedMs + expected);

  if (recording >= perMs && remainingMs !== null && remainingMs <= near) {
    const endsAt = runsOutAt(row);
    const leftMs = (endsAt ?? row.endsAt ?? at) - at;
    return { endsAt, method: 'burnRate', confidence: fading(leftMs), periodUsedMs, dayMs };
  }
  const method = recording > perMs ? (perMs > 0 ? 'burnRateAndTrend' : 'burnRate') : 'trend';
  const isInSight = remainingMs !== null && remainingMs < expected;
  const afterMs = isInSight ? reachedAfter(remainingMs, near, nearRate, nowMs, perMs) : aheadMs;
  const confidence =
    method === 'burnRate' ? fading(afterMs) : trend.trust * fading(afterMs, trend.days);
  const endsAt = isInSight ? Math.ceil(at + afterMs) : null;
  return { endsAt, method, confidence: rounded(confidence), periodUsedMs, dayMs };
}

function reachedAfter(
  remainingMs: number,
  near: number,
  nearRate: number,
  nowMs: number,
  perMs: number,
): number {
  return remainingMs <= near ? remainingMs / nearRate : nowMs + (remainingMs - near) / perMs;
}

/** What was observed for so many days may be trusted half for as many days ahead. */
function fading(aheadMs: number, observedDays = 1): number {
  const observedMs = observedDays * DAY_MS;
  return rounded(observedMs / (observedMs + Math.max(0, aheadMs)));
}

const rounded = (value: number) => Math.round(value * 100) / 100;

/** A mean in which newer days weigh more; it is trusted by the number of days, and by how alike they are. */
function trendOf(daysMs: readonly number[]): { dayMs: number; trust: number; days: number } {
  const weights = daysMs.map((_, age) => 0.5 ** (age / HALF_LIFE_DAYS));
  const weight = weights.reduce((sum, it) => sum + it, 0);
  if (weight === 0) return { dayMs: 0, trust: 0, days: 1 };
  const mean = (of: (ms: number) => number) =>
    daysMs.reduce((sum, ms, i) => sum + of(ms) * weights[i]!, 0) / weight;
  const dayMs = mean((ms) => ms);
  const days = daysMs.length;
  if (dayMs === 0) return { dayMs, trust: 0, days };
  const spread = Math.sqrt(mean((ms) => (ms - dayMs) ** 2)) / dayMs;
  return { dayMs, trust: days / (days + HALF_LIFE_DAYS) / (1 + spread), days };
}
