/** Whether a process still lives, told from a later one that was given its number. */
import { readFileSync } from 'node:fs';

/** In `/proc/<pid>/stat`, behind the name in brackets: clock ticks from the machine's start to its own. */
const START_FIELD = 19;

/** null: it is gone, or this system does not tell */
export function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD];
    return start !== undefined && /^\d+$/.test(start) ? start : null;
  } catch {
    return null;
  }
}

/** `start`: as `startOf` told it of the one that is meant; null: nobody noted it. */
export function isAlive(pid: number, start: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // It is there, and another user's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = start === null ? null : startOf(pid);
  return now === null || now === start;
}
