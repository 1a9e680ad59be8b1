/** From values to places on a chart, and the round numbers to write beside an axis. */
export interface Scale {
  (value: number): number;
  ticks: number[];
}

const ROUND_STEPS = [1, 2, 2.5, 5, 10];

/** Round steps, about `count` of them, from `from` to at least `to`. */
export function roundTicks(from: number, to: number, count: number): number[] {
  const raw = Math.max(to - from, Number.EPSILON) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ROUND_STEPS.find((it) => it * power >= raw)!;
  const ticks: number[] = [];
  const first = Math.floor(from / step);
  for (let i = first; i === first || ticks.at(-1)! < to; i++) ticks.push(i * step);
  return ticks;
}

/** A line from `from`..`to` (widened to round numbers) to `start`..`end` in pixels. */
export function linear(from: number, to: number, start: number, end: number, count = 5): Scale {
  const ticks = roundTicks(from, to, count);
  const low = ticks[0]!;
  const high = ticks.at(-1)!;
  const scale = (value: number) => start + ((value - low) / (high - low)) * (end - start);
  return Object.assign(scale, { ticks });
}

/** At most three digits behind the point, and no zeros that say nothing. */
export function tickLabel(value: number): string {
  return Math.abs(value) >= 10_000 ? `${value / 1_000}k` : String(Number(value.toFixed(3)));
}
