import { linear } from './scale.ts';
import { chart, colour, htmlText, type Legend, PLOT } from './svg.ts';

export interface HistogramOptions {
  title: string;
  xLabel: string;
  /** stacked on each other, in this order */
  groups: readonly { name: string; figure?: string; values: readonly number[] }[];
  /** a line to compare with */
  mark?: { at: number; name: string };
}

const BINS = 40;
/** Beyond this quantile a value is counted in the last column, so that one does not squeeze all. */
const SHOWN = 0.995;

/** How many values each column has, for each group; what lies outside is in the first or the last. */
export function binned(values: readonly number[], from: number, width: number): number[] {
  const counts = new Array<number>(BINS).fill(0);
  for (const value of values) {
    const bin = Math.max(0, Math.min(BINS - 1, Math.floor((value - from) / width)));
    counts[bin]! += 1;
  }
  return counts;
}

export function histogram({ title, xLabel, groups, mark }: HistogramOptions): string {
  const all = groups.flatMap(({ values }) => values).sort((a, b) => a - b);
  if (all.length === 0) return '';
  const high = Math.max(all[Math.floor((all.length - 1) * SHOWN)]!, mark?.at ?? 0, 1);
  const low = Math.min(0, all[Math.floor((all.length - 1) * (1 - SHOWN))]!);
  const x = linear(low, high, PLOT.left, PLOT.right, 10);
  const from = x.ticks[0]!;
  const width = (x.ticks.at(-1)! - from) / BINS;
  const counts = groups.map(({ values }) => binned(values, from, width));
  const tallest = Math.max(...Array.from({ length: BINS }, (_, i) => sumAt(counts, i)));
  const y = linear(0, tallest, PLOT.bottom, PLOT.top, 4);
  const bars: string[] = [];
  for (let bin = 0; bin < BINS; bin++) {
    let below = 0;
    counts.forEach((group, place) => {
      const count = group[bin]!;
      if (count === 0) return;
      const top = y(below + count);
      const where = `${(from + bin * width).toFixed(2)} to ${(from + (bin + 1) * width).toFixed(2)} ms`;
      const told = `${groups[place]!.name}, ${where}: ${count}`;
      bars.push(
        `<rect class="bar ${colour(place)}" x="${(x(from + bin * width) + 0.5).toFixed(1)}" y="${top.toFixed(1)}" width="${((PLOT.right - PLOT.left) / BINS - 1).toFixed(1)}" height="${(y(below) - top).toFixed(1)}"><title>${htmlText(told)}</title></rect>`,
      );
      below += count;
    });
  }
  const legend: Legend[] = groups.map(({ name, figure }, place) => ({
    ...{ name, place },
    ...(figure && { figure }),
  }));
  const body = bars.join('') + (mark ? markLine(x(mark.at), mark.name) : '');
  return chart(title, { x, y, xLabel, yLabel: 'count', body, legend });
}

function markLine(at: number, name: string): string {
  const place = at.toFixed(1);
  return `<line class="mark" x1="${place}" x2="${place}" y1="${PLOT.top}" y2="${PLOT.bottom}"/><text class="label" x="${(at - 4).toFixed(1)}" y="${PLOT.top + 10}" text-anchor="end">${htmlText(name)}</text>`;
}

function sumAt(counts: readonly number[][], bin: number): number {
  return counts.reduce((sum, group) => sum + group[bin]!, 0);
}
