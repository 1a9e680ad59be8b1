/** A row for each server and a dot for each round: how far apart they are, and how sure that is. */
import { linear, tickLabel } from '../../report/scale.ts';
import { colour, htmlText, WIDTH_PX } from '../../report/svg.ts';
import { median } from '../median.ts';
import type { DotPlot } from '../outcome.ts';

const LEFT_PX = 130;
const RIGHT_PX = 54;
const ROW_PX = 30;
const BOTTOM_PX = 34;
const DOT_PX = 4.5;

export function dotPlot({ title, unit, rows }: DotPlot): string {
  const shown = rows.filter(({ values }) => values.length > 0);
  if (shown.length === 0) return '';
  const bottom = shown.length * ROW_PX + 8;
  const highest = Math.max(...shown.flatMap(({ values }) => values));
  const x = linear(0, highest, LEFT_PX, WIDTH_PX - RIGHT_PX, 6);
  const grid = x.ticks.map((tick) => {
    const at = x(tick).toFixed(1);
    return `<line class="grid" x1="${at}" x2="${at}" y1="4" y2="${bottom}"/><text class="tick" x="${at}" y="${bottom + 16}" text-anchor="middle">${tickLabel(tick)}</text>`;
  });
  const body = shown.map(({ name, values }, place) => {
    const y = place * ROW_PX + ROW_PX / 2 + 4;
    const middle = median(values);
    const dots = values.map(
      (value) =>
        `<circle class="bar ${colour(place)}" fill-opacity="0.45" cx="${x(value).toFixed(1)}" cy="${y}" r="${DOT_PX}"><title>${htmlText(`${name}: ${value.toFixed(2)} ${unit}`)}</title></circle>`,
    );
    const at = x(middle).toFixed(1);
    return `<text class="label" x="${LEFT_PX - 12}" y="${y}" dy="0.32em" text-anchor="end">${htmlText(name)}</text>${dots.join('')}<line class="line ${colour(place)}" x1="${at}" x2="${at}" y1="${y - 10}" y2="${y + 10}"/><text class="label" x="${(x(Math.max(...values)) + 10).toFixed(1)}" y="${y}" dy="0.32em">${middle.toFixed(1)}</text>`;
  });
  const height = bottom + BOTTOM_PX;
  return `<figure class="card"><figcaption>${htmlText(title)}</figcaption>
<svg viewBox="0 0 ${WIDTH_PX} ${height}" role="img" aria-label="${htmlText(title)}">${grid.join('')}${body.join('')}
<text class="label" x="${WIDTH_PX - RIGHT_PX}" y="${height - 4}" text-anchor="end">${htmlText(unit)}, a dot a round, the line is the median</text></svg></figure>`;
}
