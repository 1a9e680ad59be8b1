/** CPU time and memory of processes and all their children, from the operating system. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

export interface Usage {
  /** of its whole life, what its ended children took included */
  cpuMs: number;
  memoryBytes: number;
}

interface ProcessRow {
  pid: number;
  parent: number;
  cpuMs: number;
  privateBytes: number;
  sharedBytes: number;
}

/** Linux gives CPU time to user space in hundredths of a second, whatever its own tick is. */
const MS_PER_TICK = 10;
const KILOBYTE = 1_024;

let pageBytes: number | undefined;

/** Not the same on every processor. */
function readPageBytes(): number {
  pageBytes ??= Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));
  return pageBytes;
}

/** CPU time of the whole machine, all cores together, since it was started. */
export function readMachineCpuMs(): number {
  return cpus().reduce(
    (sum, { times }) => sum + times.user + times.nice + times.sys + times.irq,
    0,
  );
}

/** utime, stime, cutime, cstime: fields 14 to 17 of proc(5), counted behind the name in brackets. */
function readProcRow(pid: number): ProcessRow | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
    const [, resident = 0, shared = 0] = readFileSync(`/proc/${pid}/statm`, 'latin1')
      .split(' ')
      .map(Number);
    return {
      pid,
      parent: Number(fields[1]),
      cpuMs: ticks * MS_PER_TICK,
      privateBytes: (resident - shared) * readPageBytes(),
      sharedBytes: shared * readPageBytes(),
    };
  } catch {
    // It ended between the look into the folder and the look into it.
    return null;
  }
}

/** `1-02:03:04`, `12:34.56`: what `ps` calls TIME. */
export function parseCpuTime(text: string): number {
  const [days, clock] = text.includes('-') ? text.split('-') : ['0', text];
  const seconds = (clock ?? '').split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return (Number(days) * 86_400 + seconds) * 1_000;
}

function readPsRows(): ProcessRow[] {
  const table = execFileSync('ps', ['-axo', 'pid=,ppid=,rss=,time='], { encoding: 'utf8' });
  return table
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, rss, time] = line.trim().split(/\s+/);
      return {
        ...{ pid: Number(pid), parent: Number(parent), cpuMs: parseCpuTime(time ?? '0') },
        ...{ privateBytes: Number(rss) * KILOBYTE, sharedBytes: 0 },
      };
    });
}

function readRows(): ProcessRow[] {
  if (!existsSync('/proc/self/stat')) return readPsRows();
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.flatMap((pid) => readProcRow(pid) ?? []);
}

/**
 * Of each of these processes, with the processes below it (a Postgres is many). What they share
 * counts once. A process that is gone is left out.
 */
export function readUsage(roots: ReadonlyMap<string, number>): Map<string, Usage> {
  const rows = readRows();
  const children = new Map<number, ProcessRow[]>();
  for (const row of rows) children.set(row.parent, [...(children.get(row.parent) ?? []), row]);
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  const found = new Map<string, Usage>();
  for (const [name, pid] of roots) {
    const root = byPid.get(pid);
    if (!root) continue;
    const tree = [root];
    for (let i = 0; i < tree.length; i++) {
      const below = children.get(tree[i]!.pid) ?? [];
      // A process that we measure for itself is not part of its parent.
      tree.push(...below.filter((row) => ![...roots.values()].includes(row.pid)));
    }
    found.set(name, {
      cpuMs: tree.reduce((sum, row) => sum + row.cpuMs, 0),
      memoryBytes:
        tree.reduce((sum, row) => sum + row.privateBytes, 0) +
        Math.max(...tree.map((row) => row.sharedBytes)),
    });
  }
  return found;
}
