/** The report as a page: one file, with nothing to fetch. */
import type { ProcessSample } from '../sampler.ts';
import { histogram } from './histogram.ts';
import { lineChart } from './line-chart.ts';
import { isGood, type LoadReport, verdict } from './load-report.ts';
import { STYLE } from './style.ts';
import { htmlText } from './svg.ts';
import { audits, costs, findings, latenesses, organizations, settings, worst } from './tables.ts';
import { duration, levelName, megabytes, ms, whole } from './words.ts';

/** What the issue of a stop asks for, at the client. */
const TARGET_MS = 50;

function tile(figure: string, words: string): string {
  return `<div class="card tile"><b>${htmlText(figure)}</b><span>${htmlText(words)}</span></div>`;
}

function tiles(report: LoadReport): string {
  const { audit, lateness, measured } = report;
  const { totals } = audit;
  const stop = lateness.at(-1)?.connected;
  const warnings = lateness.slice(0, -1).flatMap(({ connected }) => connected?.p99Ms ?? []);
  const rates = measured.samples.map(({ beatsPerSecond }) => beatsPerSecond);
  const exact = `${totals.stoppedExactly} of ${totals.stopped}`;
  return [
    tile(`${whole(totals.worstDifferenceMs)} ms`, 'largest difference of any session'),
    tile(`${whole(totals.lostMs)} / ${whole(totals.doubledMs)} ms`, 'lost / doubled'),
    tile(ms(stop?.p99Ms), `stop, p99 of ${stop?.count ?? 0}`),
    tile(
      warnings.length === 0 ? '–' : ms(Math.max(...warnings)),
      'warning, p99 of the slowest level',
    ),
    tile(exact, 'stopped budgets billed exactly their limit'),
    tile(ms(totals.worstStopwatchMs), 'own stopwatch off, worst, a connection'),
    tile(whole(Math.max(0, ...rates)), 'beats a second, at most'),
    tile(whole(totals.sessions), `sessions over ${whole(totals.connections)} connections`),
  ].join('');
}

function charts({ measured, latenesses: all, audit }: LoadReport): string {
  const { samples, processes } = measured;
  const over = (read: (sample: (typeof samples)[number]) => number) =>
    samples
      .filter(({ atMs }) => atMs >= 0)
      .map((sample) => ({ x: sample.atMs / 1_000, y: read(sample) }));
  const ofProcess = (name: string, read: (it: ProcessSample) => number) =>
    samples.flatMap(({ atMs, processes: found }) => {
      const it = found[name];
      return it && atMs >= 0 ? [{ x: atMs / 1_000, y: read(it) }] : [];
    });
  const time = { xLabel: 'seconds' };
  const values = (what: string) => all.filter((it) => it.what === what && !it.isDisturbed);
  const offMs = audit.sessions.map((it) => (it.stopwatchMs - it.acknowledgedMs) / it.connections);
  return [
    lineChart({
      ...{ title: 'Sessions', yLabel: 'sessions', ...time },
      series: [
        { name: 'live', points: over((it) => it.live), isArea: true },
        { name: 'over', points: over((it) => it.over) },
        { name: 'without a connection', points: over((it) => it.away) },
      ],
    }),
    lineChart({
      ...{ title: 'Beats a second', yLabel: 'beats', ...time },
      series: [{ name: 'beats', points: over((it) => it.beatsPerSecond), isArea: true }],
    }),
    lineChart({
      ...{ title: 'CPU of each process', yLabel: '% of a core', ...time },
      series: [
        ...processes.map(({ name, cpuPercent }) => ({
          ...{ name, figure: `${cpuPercent.toFixed(1)} %` },
          points: ofProcess(name, (it) => it.cpuPercent),
        })),
        {
          ...{ name: 'all else here', figure: `${measured.othersCpuPercent.toFixed(1)} %` },
          points: over((it) => it.othersCpuPercent),
          isAside: true,
        },
      ],
    }),
    lineChart({
      ...{ title: 'Memory of each process', yLabel: 'MB', ...time },
      series: processes.map(({ name, highestMemoryBytes }) => ({
        ...{ name, figure: megabytes(highestMemoryBytes) },
        points: ofProcess(name, (it) => it.memoryBytes / 1e6),
      })),
    }),
    histogram({
      ...{
        title: 'Warnings and stops: how late at the client',
        xLabel: 'ms after the true instant',
      },
      mark: { at: TARGET_MS, name: `target ${TARGET_MS} ms` },
      groups: ['80', '90', '100', 'stop'].map((what) => ({
        name: levelName(what),
        values: values(what).map(({ lateMs }) => lateMs),
      })),
    }),
    histogram({
      ...{ title: "Recorders' own stopwatch against the meter", xLabel: 'ms a connection' },
      groups: [{ name: 'own − acknowledged', values: offMs }],
    }),
  ].join('');
}

const NOTE_ON_LATENESS = `The true instant is computed from the recorders' own clocks alone: when the
sum of what all recorders of an organization had recorded reached the level. A recorder's time begins
when <i>started</i> arrives, the meter's when it is sent, so that a stop may come a moment before it.
Where a recorder was without a connection at that instant the meter could not know what it recorded;
those are shown apart.`;

export function page(report: LoadReport): string {
  const good = isGood(report);
  const { run, startedAt, machine, measured, incidents } = report;
  const where = `${machine.processor}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Load test ${htmlText(run)}</title><style>${STYLE}</style></head><body><main>
<header><h1>Taximeter load test</h1><span class="verdict ${good ? 'good' : 'bad'}">${htmlText(verdict(report))}</span></header>
<p>${htmlText(startedAt)}, ${duration(measured.lengthMs)} on ${htmlText(where)}</p>
${incidents.map((it) => `<p class="bad">${htmlText(it)}</p>`).join('')}
<section class="tiles">${tiles(report)}</section>
${findings(report)}
<h2>Over time</h2><section class="charts">${charts(report)}</section>
<h2>Lateness at the client</h2><p>${NOTE_ON_LATENESS}</p>${latenesses(report)}
<h2>Audit</h2><p>Every session: what the recorder was acknowledged, what the meter counted, what stands in the ledger.</p>${audits(report)}
<h2>Sessions furthest from their own stopwatch</h2>${worst(report)}
<h2>Budgets that ran out</h2>${organizations(report)}
<h2>What each process cost</h2>${costs(report)}
<h2>Settings</h2>${settings(report)}
<footer>Same seed, same script of joins, pauses, losses and stops.</footer>
</main></body></html>
`;
}
