import { type ChildProcess, spawn } from 'node:child_process';
import { MAINS, type Mains } from './processes.ts';

/** For all that a test does with it; the test's own patience ends before. */
const PATIENCE_MS = 140_000;

export interface RunningMain {
  process: ChildProcess;
  /** What it has said so far, both streams apart. */
  said(): { out: string; err: string };
  /** Exit code; null: ended by a signal. Rejects, with what it said, when it does not end. */
  ended: Promise<number | null>;
}

/** A gateway or worker as it is started by hand, with this environment and nothing else of ours. */
export function startMain(main: keyof Mains, env: Record<string, string>): RunningMain {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, MAINS[main], {
    env: { PATH, HOME, HOST: '127.0.0.1', PORT: '0', OPERATIONS_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<number | null>((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`The ${main} went on:\n${out}\n${err}`));
    }, PATIENCE_MS);
    child.once('close', (code) => {
      clearTimeout(late);
      resolve(code);
    });
  });
  ended.catch(() => {});
  return { process: child, said: () => ({ out, err }), ended };
}
