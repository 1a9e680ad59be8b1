/** Everything a run came to, for the terminal, the page and the file. */
import { arch, cpus, platform, release } from 'node:os';
import { type Figure, verdictOf } from '../outcome.ts';
import type { Ran } from '../run-bench.ts';

export interface BenchReport {
  startedAt: string;
  isQuick: boolean;
  seconds: number;
  machine: { node: string; system: string; processor: string; cores: number; pinning: string };
  ran: Ran[];
  incidents: string[];
}

export function machineOf(pinning: string): BenchReport['machine'] {
  return {
    node: process.version,
    system: `${platform()} ${release()} ${arch()}`,
    processor: cpus()[0]?.model ?? 'unknown',
    ...{ cores: cpus().length, pinning },
  };
}

export function figuresOf(report: BenchReport): Figure[] {
  return report.ran
    .flatMap(({ outcome }) => outcome.figures)
    .sort((a, b) => a.target.localeCompare(b.target));
}

/** Nothing missed, and nothing happened that should not. What was not measured is said, not failed. */
export function isGood(report: BenchReport): boolean {
  const isMissed = figuresOf(report).some((figure) => verdictOf(figure) === 'missed');
  return !isMissed && report.incidents.length === 0;
}

/** Figures with their verdicts; rounds and all are in the file. */
export function brief(report: BenchReport): object {
  const { ran: _, ...rest } = report;
  return {
    ...{ ...rest, isGood: isGood(report) },
    figures: figuresOf(report).map((figure) => ({ ...figure, verdict: verdictOf(figure) })),
  };
}
