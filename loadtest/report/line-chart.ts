import { linear, tickLabel } from './scale.ts';
import { chart, colour, htmlText, PLOT } from './svg.ts';

export interface Series {
  name: string;
  figure?: string;
  points: { x: number; y: number }[];
  /** filled down to zero */
  isArea?: boolean;
  /** not the matter itself: drawn thin */
  isAside?: boolean;
}

export interface LineChartOptions {
  title: string;
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
}

/** More points than pixels would only blur. */
const MOST_POINTS = 600;

function thinned<Point>(points: readonly Point[]): readonly Point[] {
  const step = Math.ceil(points.length / MOST_POINTS);
  return step <= 1 ? points : points.filter((_, i) => i % step === 0 || i === points.length - 1);
}

export function lineChart({ title, xLabel, yLabel, series }: LineChartOptions): string {
  const all = series.flatMap(({ points }) => points);
  if (all.length === 0) return '';
  const xs = all.map(({ x }) => x);
  const x = linear(Math.min(0, ...xs), Math.max(...xs), PLOT.left, PLOT.right, 8);
  const y = linear(0, Math.max(1e-9, ...all.map((it) => it.y)), PLOT.bottom, PLOT.top, 4);
  const body = series.map(({ name, points, isArea, isAside }, place) => {
    const at = thinned(points).map((it) => `${x(it.x).toFixed(1)},${y(it.y).toFixed(1)}`);
    const area = isArea
      ? `<polygon class="area ${colour(place)}" points="${PLOT.left},${PLOT.bottom} ${at.join(' ')} ${at.at(-1)?.split(',')[0]},${PLOT.bottom}"/>`
      : '';
    const last = points.at(-1);
    const told = last ? `${name}: ${tickLabel(last.y)} at the end` : name;
    return `${area}<polyline class="line ${isAside ? 'aside' : colour(place)}" points="${at.join(' ')}"><title>${htmlText(told)}</title></polyline>`;
  });
  return chart(title, {
    ...{ x, y, xLabel, yLabel, body: body.join('') },
    legend: series.map(({ name, figure, isAside }, place) => ({
      ...{ name, place: isAside ? null : place },
      ...(figure && { figure }),
    })),
  });
}
