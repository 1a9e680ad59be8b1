import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { processIdentity } from './process-identity.mjs';

/** How a watched process is ended once its parent is gone. */
export interface WatchOptions {
  /** Asked first; the whole process group gets SIGKILL after `patienceMs`. */
  signal: NodeJS.Signals;
  patienceMs: number;
}

// One watchdog a process, started with the first thing to watch and ended with the last: a process
// of its own for every store would be three where one does.
let watchdog: ChildProcess | null = null;
let watchedCount = 0;

function start(): ChildProcess {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./watchdog.mjs', import.meta.url))],
    {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  );
  child.on('error', () => {});
  child.stdin?.on('error', () => {});
  child.unref();
  return child;
}

/**
 * Has `pid`, which must lead its own process group, ended when this process ends in any way,
 * kill -9 included. Returns the release, to be called once the process is known to have ended.
 */
export function watch(pid: number, options: WatchOptions): () => void {
  const identity = processIdentity(pid);
  if (identity === null) return () => {};
  watchdog ??= start();
  const { stdin } = watchdog;
  watchedCount += 1;
  stdin?.write(`${JSON.stringify({ watch: { pid, identity, ...options } })}\n`);
  let released = false;
  return () => {
    if (released) return;
    released = true;
    watchedCount -= 1;
    stdin?.write(`${JSON.stringify({ unwatch: pid })}\n`);
    if (watchedCount > 0) return;
    stdin?.end();
    watchdog = null;
  };
}
