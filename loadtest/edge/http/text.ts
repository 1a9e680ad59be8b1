import type { HttpFuzzReport } from './fuzz-http.ts';

/** For a person at a terminal. */
export function textOf(report: HttpFuzzReport): string {
  const { seed, calls, requests, seconds, byStatus, neverWell, faults } = report;
  const statuses = Object.entries(byStatus).map(([status, times]) => `${status} × ${times}`);
  return [
    `seed ${seed}: ${requests} requests of ${calls} calls, ${seconds.toFixed(0)} s`,
    `answered  ${statuses.join(', ')}`,
    `never well ${neverWell.length === 0 ? 'none' : neverWell.join(', ')}`,
    faults.length === 0 ? 'every answer was as the document says' : faults.join('\n'),
  ].join('\n');
}
