import { type ChaosReport, isGood } from './chaos-report.ts';

/** What a program wants to know; all of it is in the file. */
export function brief(report: ChaosReport): object {
  const { rounds, ...rest } = report;
  const findings = rounds.flatMap(({ round, seed, findings: found }) =>
    found.map((it) => ({ round, roundSeed: seed, ...it })),
  );
  return { holds: isGood(report), ...rest, findings };
}
