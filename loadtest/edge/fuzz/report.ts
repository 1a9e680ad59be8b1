/** What a run of the fuzzer found, and whether all holds. */
import type { Memory } from './ground.ts';
import type { FuzzTally } from './run-fuzz.ts';
import type { WitnessAccount } from './witness.ts';

/** Between a recorder's own stopwatch and what is metered: the wire's latency, on a busy machine. */
export const MAX_WITNESS_DRIFT_MS = 250;
/** Of a heap after a collection, between warm and done: code that is compiled late, no more. */
export const MAX_HEAP_GROWTH_BYTES = 16 * 1024 * 1024;
/** Of the process: what allocators keep for the next load. */
export const MAX_RESIDENT_GROWTH_BYTES = 96 * 1024 * 1024;

export interface FuzzReport {
  seed: number;
  transport: string;
  seconds: number;
  tally: FuzzTally;
  /** what was left on the gateway after all had gone, but for the other recorder */
  left: { sockets: number; sessions: number };
  memory: { warm: Memory; after: Memory };
  witness: WitnessAccount & { settledMs: number };
  /** what happened to the processes that should not have */
  incidents: string[];
}

/** Sentences about what does not hold; none: all holds. */
export function faultsOf(report: FuzzReport): string[] {
  const { tally, left, memory, witness, incidents } = report;
  const faults = [...incidents, ...tally.faults];
  if (left.sockets > 1) faults.push(`${left.sockets} sockets are left open, not 1`);
  if (left.sessions > 1) faults.push(`${left.sessions} sessions are left, not 1`);
  const heap = memory.after.heapBytes - memory.warm.heapBytes;
  if (heap > MAX_HEAP_GROWTH_BYTES) faults.push(`the heap grew by ${megabytes(heap)}`);
  const resident = memory.after.residentBytes - memory.warm.residentBytes;
  if (resident > MAX_RESIDENT_GROWTH_BYTES)
    faults.push(`the process grew by ${megabytes(resident)}`);
  const { recordedMs, ownMs, settledMs } = witness;
  if (settledMs !== recordedMs) {
    faults.push(`the other recorder was told ${recordedMs} ms, and the ledger has ${settledMs}`);
  }
  if (Math.abs(recordedMs - ownMs) > MAX_WITNESS_DRIFT_MS) {
    faults.push(`the other recorder recorded ${ownMs.toFixed(0)} ms and was told ${recordedMs}`);
  }
  return faults;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** For a person at a terminal. */
export function summaryOf(report: FuzzReport): string {
  const { seed, transport, seconds, tally, memory, witness } = report;
  const faults = faultsOf(report);
  const ended = Object.entries(tally.ended).sort(([, a], [, b]) => b - a);
  return [
    `seed ${seed} on ${transport}: ${tally.frames} frames in ${tally.conversations} conversations, ${seconds.toFixed(0)} s`,
    `ended     ${ended.map(([how, times]) => `${how} × ${times}`).join(', ')}`,
    `memory    heap ${megabytes(memory.warm.heapBytes)} warm, ${megabytes(memory.after.heapBytes)} after; process ${megabytes(memory.warm.residentBytes)}, ${megabytes(memory.after.residentBytes)}`,
    `recorder  ${witness.recordedMs} ms metered, ${witness.settledMs} in the ledger, ${witness.ownMs.toFixed(0)} by its own stopwatch; worst gap between ticks ${witness.worstGapMs.toFixed(0)} ms`,
    faults.length === 0 ? 'all holds' : `does not hold:\n  ${faults.join('\n  ')}`,
  ].join('\n');
}
