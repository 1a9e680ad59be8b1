/** The report as a page: one file, with nothing to fetch. */
import { STYLE } from '../../report/style.ts';
import { htmlText } from '../../report/svg.ts';
import { duration, ms, whole } from '../../report/words.ts';
import { type ChaosReport, isGood } from './chaos-report.ts';
import { verdict } from './summary.ts';
import { timeline } from './timeline.ts';

const FINDINGS_SHOWN = 100;

const tile = (figure: string, words: string) =>
  `<div class="card tile"><b>${htmlText(figure)}</b><span>${htmlText(words)}</span></div>`;

function tiles({ totals, resumes }: ChaosReport): string {
  return [
    tile(whole(totals.kills), `processes killed, in ${whole(totals.faults)} faults`),
    tile(`${whole(totals.lostMs)} ms`, 'lost'),
    tile(`${whole(totals.doubledMs)} ms`, 'doubled'),
    tile(`${whole(totals.overLimitMs)} ms`, 'past a limit'),
    tile(duration(totals.observedMs), 'observed by recorders'),
    tile(duration(totals.ledgerMs), 'billed'),
    tile(duration(totals.overshootMs), 'overshoot, not billed'),
    tile(ms(resumes?.p99Ms, 0), `resume, p99 of ${resumes?.count ?? 0}`),
  ].join('');
}

function row(cells: readonly string[], tag = 'td'): string {
  return `<tr>${cells.map((it) => `<${tag}>${htmlText(it)}</${tag}>`).join('')}</tr>`;
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  `<div class="card scroll"><table><thead>${row(head, 'th')}</thead><tbody>${rows.map((it) => row(it)).join('')}</tbody></table></div>`;

function findingRows({ rounds }: ChaosReport): string {
  const rows = rounds.flatMap(({ round, findings }) =>
    findings.map((it) => [String(round), it.kind, it.session ?? it.org, it.detail]),
  );
  if (rows.length === 0) return '';
  const shown = table(['round', 'kind', 'session', 'what'], rows.slice(0, FINDINGS_SHOWN));
  return `<h2>${rows.length} findings</h2>${shown}`;
}

export function page(report: ChaosReport): string {
  const { startedAt, rounds, faults, settings, machine, incidents } = report;
  const tone = isGood(report) ? 'good' : 'bad';
  const given = Object.entries(settings).map(([name, value]) => `${name} ${String(value)}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Taximeter under faults</title><style>${STYLE}</style></head><body><main>
<header><h1>Taximeter under faults</h1><span class="verdict ${tone}">${htmlText(verdict(report))}</span></header>
<p>${htmlText(`${startedAt}, ${duration(report.lengthMs)}, ${rounds.length} rounds`)}</p>
<div class="tiles">${tiles(report)}</div>
${findingRows(report)}
${incidents.length === 0 ? '' : `<h2>Ends that nobody asked for</h2><pre class="card scroll">${htmlText(incidents.join('\n\n'))}</pre>`}
<h2>Rounds</h2>
<p>Each bar is a fault, from its beginning until it was put right; the area behind is how many recorders
were recording with a connection.</p>
<div class="charts">${rounds.map(timeline).join('')}</div>
<h2>Faults</h2>
${table(
  ['', 'times', 'processes killed'],
  faults.map(({ name, times, kills }) => [name, String(times), String(kills)]),
)}
<footer>${htmlText(given.join(' · '))}<br>${htmlText(`${machine.system}, ${machine.cores} × ${machine.processor}, Node ${machine.node}`)}</footer>
</main></body></html>
`;
}
