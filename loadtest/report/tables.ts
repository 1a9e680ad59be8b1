/** The tables of the page. */
import { stopwatchOffMs } from '../audit.ts';
import type { Spread } from '../statistics.ts';
import type { LoadReport } from './load-report.ts';
import { htmlText } from './svg.ts';
import { duration, levelName, megabytes, ms, whole } from './words.ts';

const SESSIONS_SHOWN = 15;
const ORGANIZATIONS_SHOWN = 30;
const FINDINGS_SHOWN = 100;

type Cell = string | { text: string; tone: 'good' | 'bad' | 'words' };

function cell(it: Cell): string {
  if (typeof it === 'string') return `<td>${htmlText(it)}</td>`;
  return `<td class="${it.tone}">${htmlText(it.text)}</td>`;
}

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return '<p>None.</p>';
  const top = head.map((it) => `<th>${htmlText(it)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('');
  const width = head.length > 2 ? '' : ' narrow';
  return `<div class="card scroll${width}"><table><thead><tr>${top}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** Zero is good, anything else is not. */
function zero(value: number): Cell {
  return { text: `${whole(value)} ms`, tone: value === 0 ? 'good' : 'bad' };
}

function spread(it: Spread | null): Cell[] {
  if (it === null) return ['0', '–', '–', '–', '–'];
  return [
    whole(it.count),
    ...[it.minimumMs, it.p50Ms, it.p99Ms, it.maximumMs].map((v) => ms(v, 2)),
  ];
}

export function latenesses({ lateness, joins, resumes, loopDelays }: LoadReport): string {
  const rows: Cell[][] = [];
  for (const { what, connected, disturbed } of lateness) {
    if (connected) rows.push([levelName(what), ...spread(connected)]);
    if (disturbed) rows.push([`${levelName(what)}, a recorder away`, ...spread(disturbed)]);
  }
  rows.push(['join, ticket included', ...spread(joins)]);
  rows.push(['resume, from the loss on', ...spread(resumes)]);
  loopDelays.forEach((it, i) => {
    const figures = ['–', '–', ms(it.p50Ms, 2), ms(it.p99Ms, 2), ms(it.maximumMs, 2)];
    rows.push([`event loop of generator ${i + 1}`, ...figures]);
  });
  return table(['', 'count', 'min', 'p50', 'p99', 'max'], rows);
}

export function audits({ audit, settledMs }: LoadReport): string {
  const { totals } = audit;
  return table(
    ['', 'of all sessions'],
    [
      ['sessions let in', whole(totals.sessions)],
      ['refused, as their budget had run out', whole(totals.refused)],
      ['acknowledged to recorders', `${whole(totals.acknowledgedMs)} ms`],
      ['in the ledger', `${whole(totals.ledgerMs)} ms`],
      ['overshoot, not billed', `${whole(totals.overshootMs)} ms`],
      [
        'ledger + overshoot − acknowledged',
        zero(totals.ledgerMs + totals.overshootMs - totals.acknowledgedMs),
      ],
      ['largest difference of a session', zero(totals.worstDifferenceMs)],
      ['lost', zero(totals.lostMs)],
      ['doubled', zero(totals.doubledMs)],
      ['billed past a limit', zero(totals.overLimitMs)],
      ["by the recorders' own stopwatches", `${whole(totals.stopwatchMs)} ms`],
      ['sessions compared with the meter, too', whole(totals.inMeter)],
      ['settled after the last end', settledMs === null ? 'not in time' : duration(settledMs)],
    ],
  );
}

export function findings({ audit }: LoadReport): string {
  if (audit.findings.length === 0) return '';
  const rows = audit.findings
    .slice(0, FINDINGS_SHOWN)
    .map((it): Cell[] => [
      { text: it.kind, tone: 'bad' },
      it.session ?? it.org,
      it.ms === null ? '–' : ms(it.ms, 0),
      { text: it.detail, tone: 'words' },
    ]);
  const title = `<h2>${audit.findings.length} findings</h2>`;
  return title + table(['kind', 'session or organization', 'by', 'what'], rows);
}

export function worst({ audit }: LoadReport): string {
  const sorted = [...audit.sessions].sort((a, b) => stopwatchOffMs(b) - stopwatchOffMs(a));
  const rows = sorted
    .slice(0, SESSIONS_SHOWN)
    .map((it): Cell[] => [
      ...[it.session, it.reason, whole(it.connections), whole(it.acknowledgedMs)],
      it.meterMs === null ? '–' : whole(it.meterMs),
      it.ledgerMs === null ? '–' : whole(it.ledgerMs),
      whole(it.overshootMs),
      zero(it.differenceMs ?? Number.NaN),
      ms(it.stopwatchMs),
      ms(it.stopwatchMs - it.acknowledgedMs),
    ]);
  const figures = [
    'acknowledged',
    'meter',
    'ledger',
    'overshoot',
    'difference',
    'own clock',
    'off',
  ];
  return table(['session', 'ended', 'connections', ...figures], rows);
}

export function organizations({ audit }: LoadReport): string {
  const stopped = audit.organizations.filter(({ isStopped }) => isStopped);
  const rows = stopped.slice(0, ORGANIZATIONS_SHOWN).map((it): Cell[] => {
    const leftMs = (it.quotaMs ?? 0) - it.usedMs;
    // Less than the limit is right where somebody left around the stop; the audit knows.
    const left: Cell = it.isQuiet || leftMs <= 0 ? zero(leftMs) : `${whole(leftMs)} ms`;
    const figures = [it.quotaMs ?? 0, it.usedMs].map((value) => `${whole(value)} ms`);
    return [it.org, whole(it.recorders), ...figures, left, `${whole(it.overshootMs)} ms`];
  });
  return table(['organization', 'recorders', 'limit', 'billed', 'left', 'overshoot'], rows);
}

export function costs({ measured }: LoadReport): string {
  const { beats, processes } = measured;
  const rows = processes.map((it): Cell[] => [
    it.name,
    duration(it.cpuMs),
    `${it.cpuPercent.toFixed(1)} %`,
    `${it.highestCpuPercent.toFixed(0)} %`,
    beats === 0 ? '–' : `${((it.cpuMs * 1_000) / beats).toFixed(0)} µs`,
    megabytes(it.highestMemoryBytes),
  ]);
  const others = `${measured.othersCpuPercent.toFixed(1)} %`;
  rows.push(['all else on this machine', '–', others, '–', '–', '–']);
  return table(['process', 'CPU', 'of a core', 'highest', 'a beat', 'memory, highest'], rows);
}

export function settings({ settings: shown }: LoadReport): string {
  const rows = Object.entries(shown).map(([name, value]): Cell[] => [name, String(value ?? '–')]);
  return table(['setting', ''], rows);
}
