export interface Spread {
  count: number;
  minimumMs: number;
  p50Ms: number;
  p99Ms: number;
  maximumMs: number;
}

/** The smallest value that at least `share` of all values do not exceed (nearest rank). */
export function quantile(sorted: readonly number[], share: number): number {
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** null where there is nothing to spread. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return {
    count: sorted.length,
    minimumMs: sorted[0]!,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    maximumMs: sorted.at(-1)!,
  };
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, it) => sum + it, 0) / values.length;
}
