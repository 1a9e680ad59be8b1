/** Starts the generator processes and gathers what they say. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { addCounts, type FleetCount, NOTHING_COUNTED } from './fleet.ts';
import type { GeneratorTask, GeneratorWord, LoopDelay } from './generator-words.ts';
import { GIVE_UP } from './generator-words.ts';
import { machineNowMs } from './machine-clock.ts';
import type { RecorderLog } from './recorder-log.ts';
import type { RecorderScript } from './scenario.ts';

/** Node has to be loaded and the recorders made before the first one joins. */
const HEAD_START_MS = 1_500;

export interface GeneratorsOptions {
  count: number;
  scripts: readonly RecorderScript[];
  urls: string[];
  apiKey: string;
  countEveryMs: number;
  /** whether logs keep every message. Default false */
  isTraced?: boolean;
  /** a recorder has heard how its session ended */
  ended(name: { org: string; session: string }): void;
}

export interface Generators {
  runStartMs: number;
  pids: number[];
  count(): FleetCount;
  /** All logs, when every recorder is over. Rejects when a generator ends before. */
  done: Promise<{ logs: RecorderLog[]; loopDelays: LoopDelay[] }>;
  /** Recorders that are not over let go of their sessions; then `done` resolves. */
  giveUp(): void;
  stop(): Promise<void>;
}

/** Runs this project's file of that name, built or, in development, as source. */
function forkGenerator(): ChildProcess {
  const built = import.meta.url.endsWith('.js');
  const file = fileURLToPath(new URL(`./generator.${built ? 'js' : 'ts'}`, import.meta.url));
  const execArgv = built ? ['--enable-source-maps'] : ['--import', 'tsx'];
  return fork(file, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

export function startGenerators(options: GeneratorsOptions): Generators {
  const { scripts, urls, apiKey, countEveryMs, isTraced = false } = options;
  const runStartMs = machineNowMs() + HEAD_START_MS;
  const children = Array.from({ length: options.count }, forkGenerator);
  const counts = children.map(() => NOTHING_COUNTED);
  const exits = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
  const answers = children.map(
    (child, place) =>
      new Promise<Extract<GeneratorWord, { kind: 'done' }>>((resolve, reject) => {
        child.on('message', (word: GeneratorWord) => {
          if (word.kind === 'count') counts[place] = word.count;
          else if (word.kind === 'ended') options.ended(word);
          else resolve(word);
        });
        child.once('error', reject);
        child.once('exit', (code, signal) =>
          reject(new Error(`A generator of load ended early: ${signal ?? `exit code ${code}`}.`)),
        );
      }),
  );
  children.forEach((child, place) => {
    // Dealt out like cards, so that the recorders of an organization sit in different processes.
    const own = scripts.filter((_, i) => i % children.length === place);
    const means = { urls, apiKey, runStartMs, countEveryMs, isTraced };
    const task: GeneratorTask = { scripts: own, ...means };
    child.send(task);
  });
  const done = Promise.all(answers).then((words) => ({
    logs: words.flatMap(({ logs }) => logs),
    loopDelays: words.map(({ loopDelay }) => loopDelay),
  }));
  // Whoever awaits it hears of a failure; until then it is not unhandled.
  done.catch(() => {});
  return {
    runStartMs,
    pids: children.map(({ pid }) => pid!),
    count: () => addCounts(counts),
    done,
    giveUp() {
      for (const child of children) if (child.connected) child.send(GIVE_UP);
    },
    async stop() {
      for (const child of children) if (child.connected) child.disconnect();
      await Promise.all(exits);
    },
  };
}
