/** A round as a picture: its faults as bars, a row a kind, over the recorders that were connected. */
import { colour, htmlText } from '../../report/svg.ts';
import type { RoundReport } from './chaos-report.ts';

const WIDTH_PX = 640;
const LEFT_PX = 150;
const RIGHT_PX = 10;
const ROW_PX = 14;
const BAR_PX = 9;
const FOOT_PX = 20;
const NARROWEST_PX = 3;
const TICK_MS = 10_000;

const px = (value: number) => value.toFixed(1);

export function timeline(report: RoundReport): string {
  const { round, seed, struck, connected, findings, sessions } = report;
  const names = [...new Set(struck.map(({ name }) => name))].sort();
  const endMs = Math.max(report.lengthMs, ...struck.map(({ toMs }) => toMs));
  const bottom = names.length * ROW_PX + 6;
  const x = (atMs: number) => LEFT_PX + (atMs / endMs) * (WIDTH_PX - LEFT_PX - RIGHT_PX);
  const highest = Math.max(1, ...connected);
  const points = connected.map(
    (count, i) => `${px(x(i * 1_000))},${px(bottom - (count / highest) * bottom)}`,
  );
  const last = x((connected.length - 1) * 1_000);
  const area = `<polygon class="area c1" points="${px(x(0))},${bottom} ${points.join(' ')} ${px(last)},${bottom}"/>`;
  const rows = names.map((name, i) => {
    const y = i * ROW_PX + 3;
    const bars = struck
      .filter((it) => it.name === name)
      .map((it) => {
        const width = Math.max(NARROWEST_PX, x(it.toMs) - x(it.fromMs));
        const title = `${name}: ${it.target}, ${Math.round(it.toMs - it.fromMs)} ms`;
        return `<rect class="bar ${colour(i)}" x="${px(x(it.fromMs))}" y="${y}" width="${px(width)}" height="${BAR_PX}" rx="2"><title>${htmlText(title)}</title></rect>`;
      });
    return `<text x="${LEFT_PX - 8}" y="${y + BAR_PX - 1}" text-anchor="end">${htmlText(name)}</text>${bars.join('')}`;
  });
  const ticks = Array.from({ length: Math.floor(endMs / TICK_MS) + 1 }, (_, i) => {
    const at = px(x(i * TICK_MS));
    return `<line class="grid" x1="${at}" x2="${at}" y1="0" y2="${bottom}"/><text x="${at}" y="${bottom + 14}" text-anchor="middle">${(i * TICK_MS) / 1_000} s</text>`;
  });
  const said = findings.length === 0 ? 'holds' : `${findings.length} findings`;
  const caption = `Round ${round} (seed ${seed}): ${struck.length} faults, ${sessions} sessions, ${said}`;
  return `<figure class="card"><figcaption>${htmlText(caption)}</figcaption><svg viewBox="0 0 ${WIDTH_PX} ${bottom + FOOT_PX}" role="img" aria-label="${htmlText(caption)}">${ticks.join('')}${area}${rows.join('')}</svg></figure>`;
}
