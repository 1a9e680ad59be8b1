/** The report as a person sees it in the terminal. */
import pc from 'picocolors';
import { SETTLE_PATIENCE_MS } from '../read-books.ts';
import type { Spread } from '../statistics.ts';
import { isGood, type LoadReport, verdict } from './load-report.ts';
import { duration, levelName, megabytes, ms, whole } from './words.ts';

const FINDINGS_SHOWN = 12;

/** Columns as wide as their widest cell; the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('   '),
  );
}

function spreadCells(spread: Spread | null): string[] {
  if (spread === null) return ['0', '–', '–', '–', '–'];
  const { count, minimumMs, p50Ms, p99Ms, maximumMs } = spread;
  return [String(count), ms(minimumMs), ms(p50Ms), ms(p99Ms), ms(maximumMs)];
}

function latenessLines({ lateness, joins, resumes, loopDelays }: LoadReport): string[] {
  const rows = [['', 'count', 'min', 'p50', 'p99', 'max']];
  for (const { what, connected, disturbed } of lateness) {
    if (connected) rows.push([levelName(what), ...spreadCells(connected)]);
    if (disturbed) rows.push([`${levelName(what)}, a recorder away`, ...spreadCells(disturbed)]);
  }
  rows.push(['join, ticket included', ...spreadCells(joins)]);
  if (resumes) rows.push(['resume, from the loss on', ...spreadCells(resumes)]);
  const loop = Math.max(...loopDelays.map((it) => it.p99Ms));
  return [...table(rows), pc.dim(`(of which the generators' own event loops: p99 ${ms(loop)})`)];
}

function costLines({ measured }: LoadReport): string[] {
  const { processes, beats } = measured;
  if (processes.length === 0) return [];
  const rows = processes.map((it) => [
    it.name,
    `${it.cpuPercent.toFixed(1)} %`,
    `${it.highestCpuPercent.toFixed(0)} %`,
    beats > 0 ? `${((it.cpuMs * 1_000) / beats).toFixed(0)} µs` : '–',
    megabytes(it.highestMemoryBytes),
  ]);
  rows.push(['all else on this machine', `${measured.othersCpuPercent.toFixed(1)} %`, '', '', '']);
  return table([['process', 'CPU of a core', 'highest', 'CPU a beat', 'memory'], ...rows]);
}

function auditLines({ audit, settledMs }: LoadReport): string[] {
  const { totals } = audit;
  const { stopped, stoppedExactly } = totals;
  const settled =
    settledMs === null
      ? `not within ${duration(SETTLE_PATIENCE_MS)}`
      : `within ${duration(settledMs)}`;
  return table([
    ['sessions let in', whole(totals.sessions)],
    ['refused, as their budget had run out', whole(totals.refused)],
    ['connections', whole(totals.connections)],
    ['acknowledged to recorders', `${whole(totals.acknowledgedMs)} ms`],
    ['in the ledger', `${whole(totals.ledgerMs)} ms`],
    ['overshoot, not billed', `${whole(totals.overshootMs)} ms`],
    ['largest difference of a session', `${whole(totals.worstDifferenceMs)} ms`],
    ['lost', `${whole(totals.lostMs)} ms`],
    ['doubled', `${whole(totals.doubledMs)} ms`],
    ['billed past a limit', `${whole(totals.overLimitMs)} ms`],
    ['own stopwatch off, worst, a connection', ms(totals.worstStopwatchMs)],
    ['compared with the meter, too', whole(totals.inMeter)],
    ['organizations stopped, exactly at the limit', `${stopped}, ${stoppedExactly}`],
    ['settled after the last end', settled],
  ]);
}

/** Lines for the terminal. */
export function summary(report: LoadReport): string {
  const { audit, measured, incidents } = report;
  const heading = (text: string) => ['', pc.bold(text)];
  const rates = measured.samples.map((it) => it.beatsPerSecond);
  const lines = [
    ...heading('Audit'),
    ...auditLines(report),
    ...heading('Lateness at the client, after the true instant'),
    ...latenessLines(report),
    ...heading('Load'),
    `${whole(measured.beats)} beats in ${duration(measured.lengthMs)}, up to ${whole(Math.max(0, ...rates))} a second`,
    ...costLines(report),
  ];
  for (const incident of incidents) lines.push('', pc.red(incident));
  const { findings } = audit;
  if (findings.length > 0) lines.push(...heading(`${findings.length} findings`));
  for (const { kind, org, session, detail } of findings.slice(0, FINDINGS_SHOWN)) {
    lines.push(`${pc.red(kind)}  ${session ?? org}: ${detail}`);
  }
  if (findings.length > FINDINGS_SHOWN) lines.push(pc.dim('(the rest is in the report)'));
  const said = isGood(report) ? pc.green(verdict(report)) : pc.red(verdict(report));
  return [...lines, '', pc.bold(said)].join('\n');
}
