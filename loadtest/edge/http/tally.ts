/** What every call was answered, and what was wrong with it. */
import type { Call } from './document.ts';

export interface HttpFuzzReport {
  seed: number;
  calls: number;
  requests: number;
  seconds: number;
  byStatus: Record<string, number>;
  /** how often each call was answered with each status */
  byCall: Record<string, Record<string, number>>;
  /** Calls that were never answered with success: their good side was not looked at. */
  neverWell: string[];
  /** by call, with the smallest request that shows it */
  faults: string[];
}

export interface Tally {
  readonly report: HttpFuzzReport;
  count(call: Call, status: number): void;
  fault(call: Call, why: string): void;
  isFaulty(call: Call): boolean;
  end(): HttpFuzzReport;
}

export function createTally(seed: number, calls: readonly Call[]): Tally {
  const report: HttpFuzzReport = {
    ...{ seed, calls: calls.length, requests: 0, seconds: 0, byStatus: {} },
    byCall: Object.fromEntries(calls.map(({ id }) => [id, {}])),
    ...{ neverWell: [], faults: [] },
  };
  const faulty = new Set<string>();
  const beganAt = performance.now();
  return {
    report,
    count({ id }, status) {
      report.requests += 1;
      for (const counts of [report.byStatus, report.byCall[id]!]) {
        counts[status] = (counts[status] ?? 0) + 1;
      }
    },
    fault({ id, method, path }, why) {
      faulty.add(id);
      report.faults.push(`${id} (${method} ${path}): ${why}`);
    },
    isFaulty: ({ id }) => faulty.has(id),
    end() {
      report.seconds = (performance.now() - beganAt) / 1_000;
      report.neverWell = Object.entries(report.byCall)
        .filter(([, counts]) => !Object.keys(counts).some((status) => Number(status) < 300))
        .map(([id]) => id);
      return report;
    },
  };
}
