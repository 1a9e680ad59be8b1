/**
 * One clock for every process of this machine: the system's monotonic one. `performance.now()` counts
 * from the start of its process, so instants of two generators could not be compared by it.
 */
import { type Clock, systemClock } from '../client/index.ts';

const NS_PER_MS = 1e6;

/** Milliseconds with a fraction, monotonic, the same in all processes of this machine. */
export function machineNowMs(): number {
  return Number(process.hrtime.bigint()) / NS_PER_MS;
}

export const machineClock: Clock = { ...systemClock, nowMs: machineNowMs };
