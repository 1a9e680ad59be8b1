/** The report as a page: one file, with nothing to fetch. */
import { histogram } from '../../report/histogram.ts';
import { STYLE } from '../../report/style.ts';
import { htmlText } from '../../report/svg.ts';
import { type Outcome, type Table, verdictOf } from '../outcome.ts';
import { TARGETS } from '../targets.ts';
import { type BenchReport, figuresOf, isGood } from './bench-report.ts';
import { dotPlot } from './dot-plot.ts';
import { spreadWords, targetWords, valueWords } from './figure-words.ts';

function plot(drawn: Outcome['plots'][number]): string {
  if (drawn.kind === 'dots') return dotPlot(drawn);
  const { title, groups, limitMs } = drawn;
  return histogram({
    ...{ title, xLabel: 'ms' },
    groups: groups.map(({ name, valuesMs: values }) => ({ name, values })),
    ...(limitMs !== null && { mark: { at: limitMs, name: `target ${limitMs} ms` } }),
  });
}

function table({ title, head, rows }: Table): string {
  const cells = (tag: 'th' | 'td', row: string[]) =>
    `<tr>${row.map((text) => `<${tag}>${htmlText(text)}</${tag}>`).join('')}</tr>`;
  const body = rows.map((row) => cells('td', row)).join('');
  return `<h3>${htmlText(title)}</h3><div class="card scroll"><table>${cells('th', head)}${body}</table></div>`;
}

function figures(report: BenchReport): string {
  const rows = figuresOf(report).map((figure) => {
    const verdict = verdictOf(figure);
    const tone = verdict === 'met' ? 'good' : verdict === 'missed' ? 'bad' : '';
    const what = `${TARGETS[figure.target]}${figure.name === '' ? '' : `, ${figure.name}`}`;
    return `<tr><td>${figure.target}</td><td class="words">${htmlText(what)}</td><td>${targetWords(figure)}</td><td>${valueWords(figure)}</td><td>${spreadWords(figure)}</td><td>${figure.rounds.length || '–'}</td><td class="${tone}">${verdict}</td><td class="words">${htmlText(figure.note)}</td></tr>`;
  });
  const head = ['', 'figure', 'target', 'measured', 'spread', 'rounds', '', ''];
  return `<div class="card scroll"><table><tr>${head.map((it) => `<th>${it}</th>`).join('')}</tr>${rows.join('')}</table></div>`;
}

const NOTE = `Ratios of medians of what ran side by side, in interleaved rounds; the spread is from the
lowest round to the highest. CPU time is what the operating system accounts to each process. Absolute
figures say something of this machine only.`;

export function page(report: BenchReport): string {
  const { startedAt, machine, ran, incidents, seconds } = report;
  const good = isGood(report);
  const where = `${machine.processor}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}`;
  const parts = ran.map(
    ({ name, outcome, seconds: took }) => `<h2>${htmlText(name)}</h2>
<p>${htmlText(outcome.words)} (${took.toFixed(0)} s)</p>
<section class="charts">${outcome.plots.map(plot).join('')}</section>${outcome.tables.map(table).join('')}`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Bench ${htmlText(startedAt)}</title><style>${STYLE}
h3 { font-size: 14px; margin: 24px 0 8px; } .charts { margin-top: 16px; }
</style></head><body><main>
<header><h1>Taximeter bench${report.isQuick ? ', quick' : ''}</h1><span class="verdict ${good ? 'good' : 'bad'}">${good ? 'No target is missed' : 'Not all targets are met'}</span></header>
<p>${htmlText(startedAt)}, ${(seconds / 60).toFixed(1)} min on ${htmlText(where)}; ${htmlText(machine.pinning)}</p>
${incidents.map((it) => `<p class="bad">${htmlText(it)}</p>`).join('')}
<h2>Targets</h2>${figures(report)}<p>${NOTE}</p>
${parts.join('')}
</main></body></html>
`;
}
