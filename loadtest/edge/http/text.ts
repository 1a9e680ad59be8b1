import type { HttpFuzzReport } from './tally.ts';

const counted = (counts: Record<string, number>) =>
  Object.entries(counts).map(([status, times]) => `${status} × ${times}`);

/** For a person at a terminal. */
export function textOf(report: HttpFuzzReport): string {
  const { seed, calls, requests, seconds, byStatus, byCall, neverWell, faults } = report;
  const widest = Math.max(...Object.keys(byCall).map(({ length }) => length));
  return [
    ...Object.entries(byCall).map(
      ([id, counts]) => `${id.padEnd(widest)}  ${counted(counts).join(', ')}`,
    ),
    `seed ${seed}: ${requests} requests of ${calls} calls, ${seconds.toFixed(0)} s`,
    `answered  ${counted(byStatus).join(', ')}`,
    `never well ${neverWell.length === 0 ? 'none' : neverWell.join(', ')}`,
    faults.length === 0 ? 'every answer was as the document says' : faults.join('\n'),
  ].join('\n');
}
