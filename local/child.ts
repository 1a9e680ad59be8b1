import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { watch } from './watchdog.ts';

const LOG_TAIL_LINES = 12;
const KILL_PATIENCE_MS = 5_000;

export interface ChildOptions {
  /** What a person calls it: "Redis", "the worker". */
  name: string;
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Gets its output, appended. */
  logPath: string;
  /** The signal that asks it to stop, and how long it may take before SIGKILL. */
  stopSignal: NodeJS.Signals;
  patienceMs: number;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Child {
  name: string;
  pid: number;
  /** Resolves when it has ended, for whatever reason; never rejects. */
  exited: Promise<Exit>;
  /** null while it runs. */
  exit(): Exit | null;
  /** The last lines this run wrote, for the message when it died. */
  logTail(): string;
  stop(): Promise<void>;
}

/** "ended with exit code 1", "was ended by SIGKILL". */
export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}

function spawned(child: ChildProcess, options: ChildOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid!));
    child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'it is not there' : error.message;
      reject(new Error(`${options.name} could not be started from ${options.command}: ${why}.`));
    });
  });
}

/**
 * Starts a process in a group of its own, so that the terminal's Ctrl-C reaches us alone and we
 * decide the order, with the watchdog holding it should we be killed.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  mkdirSync(dirname(options.logPath), { recursive: true });
  const logStartBytes = existsSync(options.logPath) ? statSync(options.logPath).size : 0;
  const log = openSync(options.logPath, 'a');
  let exit: Exit | null = null;
  const child = spawn(options.command, options.args, {
    detached: true,
    stdio: ['ignore', log, log],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  closeSync(log);
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      resolve(exit);
    });
  });
  const pid = await spawned(child, options);
  const release = watch(pid, { signal: options.stopSignal, patienceMs: options.patienceMs });
  void exited.then(release);

  async function endWithin(patienceMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, patienceMs, false);
    });
    const ended = await Promise.race([exited.then(() => true as const), late]);
    clearTimeout(timer);
    return ended;
  }

  return {
    name: options.name,
    pid,
    exited,
    exit: () => exit,
    logTail() {
      const written = readFileSync(options.logPath).subarray(logStartBytes).toString('utf8');
      return written.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
    },
    async stop() {
      if (exit !== null) return;
      child.kill(options.stopSignal);
      if (await endWithin(options.patienceMs)) return;
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // The group ended in this very moment.
      }
      if (await endWithin(KILL_PATIENCE_MS)) return;
      throw new Error(`${options.name} (process ${pid}) does not end, not even on SIGKILL.`);
    },
  };
}
