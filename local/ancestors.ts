import { execFileSync } from 'node:child_process';
import { basename } from 'node:path';

const POLL_MS = 200;

function parentOf(pid: number): { parent: number; command: string } | null {
  try {
    const args = ['-o', 'ppid=,comm=', '-p', String(pid)];
    const match = /^\s*(\d+)\s+(.*)$/m.exec(execFileSync('ps', args, { encoding: 'utf8' }));
    return match === null
      ? null
      : { parent: Number(match[1]), command: basename(match[2]!.trim()) };
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Started by npm, whoever kills npm means us: calls back once npm, or the shell between, is gone.
 * Returns the release. `startedByNpm` is whether npm runs this as a script.
 */
export function onOrphaned(startedByNpm: boolean, callback: () => void): () => void {
  if (!startedByNpm) return () => {};
  const ancestors = [process.ppid];
  const above = parentOf(process.ppid);
  if (above !== null && /^(sh|bash|dash|zsh|ash)$/.test(above.command))
    ancestors.push(above.parent);
  const timer = setInterval(() => {
    if (process.ppid === ancestors[0] && ancestors.every(isAlive)) return;
    clearInterval(timer);
    callback();
  }, POLL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
