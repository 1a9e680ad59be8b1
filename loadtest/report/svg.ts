/** The parts every chart has: its frame, its grid, its legend. Plain SVG text, no script. */
import { type Scale, tickLabel } from './scale.ts';

export const WIDTH_PX = 640;
export const HEIGHT_PX = 250;
export const INSET_PX = { left: 52, right: 14, top: 12, bottom: 34 };
export const COLOURS = 8;

export interface Plot {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export const PLOT: Plot = {
  left: INSET_PX.left,
  right: WIDTH_PX - INSET_PX.right,
  top: INSET_PX.top,
  bottom: HEIGHT_PX - INSET_PX.bottom,
};

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' },
};

export function htmlText(text: string): string {
  return text.replace(/[&<>"']/g, (it) => ESCAPES[it]!);
}

/** The class that gives the colour of the series with this place. */
export const colour = (place: number): string => `c${(place % COLOURS) + 1}`;

const px = (value: number) => value.toFixed(1);

export interface Axes {
  x: Scale;
  y: Scale;
  xLabel: string;
  yLabel: string;
}

function axes({ x, y, xLabel, yLabel }: Axes): string {
  const { left, right, top, bottom } = PLOT;
  const rows = y.ticks.map((tick) => {
    const at = px(y(tick));
    return `<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/><text class="tick" x="${left - 8}" y="${at}" dy="0.32em" text-anchor="end">${tickLabel(tick)}</text>`;
  });
  const columns = x.ticks
    .filter((tick) => x(tick) <= right + 1)
    .map(
      (tick) =>
        `<text class="tick" x="${px(x(tick))}" y="${bottom + 16}" text-anchor="middle">${tickLabel(tick)}</text>`,
    );
  return `${rows.join('')}${columns.join('')}<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>
<text class="label" x="${right}" y="${HEIGHT_PX - 4}" text-anchor="end">${htmlText(xLabel)}</text>
<text class="label" x="${left}" y="${top - 2}" text-anchor="start">${htmlText(yLabel)}</text>`;
}

export interface Legend {
  name: string;
  /** null: drawn aside */
  place: number | null;
  /** shown behind the name: a figure that sums the series up */
  figure?: string;
}

function legend(entries: readonly Legend[]): string {
  const items = entries.map(
    ({ name, place, figure }) =>
      `<li><span class="key ${place === null ? 'aside' : colour(place)}"></span>${htmlText(name)}${figure ? ` <b>${htmlText(figure)}</b>` : ''}</li>`,
  );
  return `<ul class="legend">${items.join('')}</ul>`;
}

/** A figure with title, drawing and legend. `title` also says it to who cannot see it. */
export function chart(title: string, drawn: Axes & { body: string; legend: Legend[] }): string {
  return `<figure class="card"><figcaption>${htmlText(title)}</figcaption>
<svg viewBox="0 0 ${WIDTH_PX} ${HEIGHT_PX}" role="img" aria-label="${htmlText(title)}">${axes(drawn)}${drawn.body}</svg>
${drawn.legend.length > 1 || drawn.legend[0]?.figure ? legend(drawn.legend) : ''}</figure>`;
}
