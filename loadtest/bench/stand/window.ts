/** CPU time of processes over a span of time, and of whoever else was busy on the machine. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readUsage } from '../../process-usage.ts';

export interface Window {
  lengthMs: number;
  /** by process */
  cpuMs: Record<string, number>;
  /** of the whole machine, what processes not named here took, in percent; null: not known */
  othersPercent: number | null;
}

interface Look {
  atMs: number;
  cpuMs: Map<string, number>;
  machine: { busyMs: number; allMs: number } | null;
}

const MS_PER_TICK = 10;

/** proc(5): user, nice, system, idle, iowait, irq, softirq, steal. Steal is what the host took. */
function readMachine(): Look['machine'] {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
    const ticks = line.split(/\s+/).slice(1, 9).map(Number);
    const all = ticks.reduce((sum, it) => sum + it, 0);
    const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
    return { busyMs: (all - idle) * MS_PER_TICK, allMs: all * MS_PER_TICK };
  } catch {
    return null;
  }
}

function look(pids: ReadonlyMap<string, number>): Look {
  const usage = readUsage(pids);
  const cpuMs = new Map([...usage].map(([name, it]) => [name, it.cpuMs]));
  return { atMs: performance.now(), cpuMs, machine: readMachine() };
}

/** `pids` should name every process of ours, so that what is left over is others'. */
export function openWindow(pids: ReadonlyMap<string, number>): { close(): Window } {
  const first = look(pids);
  return {
    close() {
      const last = look(pids);
      const cpuMs: Record<string, number> = {};
      let oursMs = 0;
      for (const [name, value] of last.cpuMs) {
        cpuMs[name] = value - (first.cpuMs.get(name) ?? value);
        oursMs += cpuMs[name];
      }
      const others =
        first.machine && last.machine
          ? ((last.machine.busyMs - first.machine.busyMs - oursMs) * 100) /
            Math.max(1, last.machine.allMs - first.machine.allMs)
          : null;
      return {
        ...{ lengthMs: last.atMs - first.atMs, cpuMs },
        othersPercent: others === null ? null : Math.max(0, others),
      };
    },
  };
}

export async function windowOf(pids: ReadonlyMap<string, number>, forMs: number): Promise<Window> {
  const window = openWindow(pids);
  await sleep(forMs);
  return window.close();
}
