/** The report as a person sees it in the terminal. */
import pc from 'picocolors';
import { table } from '../../report/summary.ts';
import { duration, ms, whole } from '../../report/words.ts';
import { type ChaosReport, isGood, RESUME_TARGET_MS } from './chaos-report.ts';

const FINDINGS_SHOWN = 15;

export function verdict(report: ChaosReport): string {
  const { totals, resumes, incidents } = report;
  if (isGood(report)) return 'It holds: nothing lost, nothing twice, nothing past a limit.';
  if (totals.findings > 0) return 'It does not hold.';
  if (totals.worstSettledMs === null) return 'Not everything was settled in time.';
  if (incidents.length > 0) return 'Nothing was lost, but a process ended that should not have.';
  return `Nothing was lost, but resuming took ${ms(resumes?.p99Ms, 0)} (p99), over ${RESUME_TARGET_MS} ms.`;
}

function totalLines({ totals, resumes }: ChaosReport): string[] {
  const settled =
    totals.worstSettledMs === null ? 'not in time' : `within ${duration(totals.worstSettledMs)}`;
  return table([
    ['faults, of which processes killed', `${whole(totals.faults)}, ${whole(totals.kills)}`],
    ['sessions, connections', `${whole(totals.sessions)}, ${whole(totals.connections)}`],
    ['starts refused', whole(totals.refused)],
    ['observed by recorders', duration(totals.observedMs)],
    ['acknowledged to them', duration(totals.acknowledgedMs)],
    ['billed', duration(totals.ledgerMs)],
    ['overshoot, not billed', duration(totals.overshootMs)],
    ['lost', `${whole(totals.lostMs)} ms`],
    ['doubled', `${whole(totals.doubledMs)} ms`],
    ['past a limit', `${whole(totals.overLimitMs)} ms`],
    ['had no witness left', `${whole(totals.unwitnessedMs)} ms`],
    ['undecided by rule 2', duration(totals.unsureMs)],
    ['gaps that no clock measured, or of stopped ones', duration(totals.uncountedMs)],
    [
      'resume after a gateway or wire was lost, p50, p99, worst',
      `${ms(resumes?.p50Ms, 0)}, ${ms(resumes?.p99Ms, 0)}, ${ms(resumes?.maximumMs, 0)} of ${resumes?.count ?? 0}`,
    ],
    ['settled after the last end', settled],
  ]);
}

/** Lines for the terminal. */
export function summary(report: ChaosReport): string {
  const { rounds, faults, incidents, settings } = report;
  const lines = [
    pc.bold('Faults'),
    ...table([
      ['', 'times', 'kills'],
      ...faults.map(({ name, times, kills }) => [name, String(times), String(kills)]),
    ]),
    '',
    pc.bold('Audit'),
    ...totalLines(report),
  ];
  for (const incident of incidents) lines.push('', pc.red(incident));
  for (const { round, findings, slowResumes } of rounds) {
    if (findings.length === 0 && slowResumes.length === 0) continue;
    const slow = slowResumes.length > 0 ? `, ${slowResumes.length} slow to resume` : '';
    lines.push('', pc.bold(`Round ${round}: ${findings.length} findings${slow}`));
    for (const { kind, org, session, detail } of findings.slice(0, FINDINGS_SHOWN)) {
      lines.push(`${pc.red(kind)}  ${session ?? org}: ${detail}`);
    }
    for (const { session, fromMs, ms: tookMs } of slowResumes.slice(0, FINDINGS_SHOWN)) {
      const when = `${duration(fromMs)} into the round`;
      lines.push(`${pc.yellow('slow')}  ${session}: back after ${ms(tookMs, 0)}, ${when}`);
    }
    lines.push(pc.dim(`again: npm run chaos -- --seed ${settings.seed} --round ${round}`));
  }
  const said = isGood(report) ? pc.green(verdict(report)) : pc.red(verdict(report));
  return [...lines, '', pc.bold(said)].join('\n');
}
