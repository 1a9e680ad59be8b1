import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, describeExit } from './child.ts';

/** One that ends sooner than this after its start would end again: no use in trying. */
const STABLE_MS = 10_000;
const RESTART_PAUSE_MS = 500;

export interface SuperviseOptions {
  name: string;
  logPath: string;
  /** Starts it and answers once it serves. */
  start: () => Promise<Child>;
  say: (line: string) => void;
  /** Hears, once, why it can't be kept running. */
  onHopeless: (sentence: string) => void;
  stableMs?: number;
}

export interface Supervised {
  name: string;
  pid(): number;
  stop(): Promise<void>;
}

/** Keeps a process running: reports its death with its last words and starts it again. */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { name, logPath, start, say, onHopeless, stableMs = STABLE_MS } = options;
  let stopping = false;
  let child = await start();
  let startedAt = performance.now();
  let restart: Promise<void> = Promise.resolve();

  function report(dead: Child): string {
    const how = describeExit(dead.exit() ?? { code: null, signal: null });
    return `${name} (process ${dead.pid}) ${how}. Its last words (all of them in ${logPath}):\n${dead.logTail()}`;
  }

  async function onExit(dead: Child): Promise<void> {
    if (stopping) return;
    if (performance.now() - startedAt < stableMs) {
      onHopeless(report(dead));
      return;
    }
    say(`${report(dead)}\nstarting ${name} again ...`);
    await sleep(RESTART_PAUSE_MS);
    if (stopping) return;
    try {
      child = await start();
      startedAt = performance.now();
      say(`${name} is back (process ${child.pid})`);
      follow(child);
    } catch (error) {
      onHopeless(error instanceof Error ? error.message : String(error));
    }
  }

  function follow(current: Child): void {
    void current.exited.then(() => {
      restart = onExit(current);
    });
  }
  follow(child);

  return {
    name,
    pid: () => child.pid,
    async stop() {
      stopping = true;
      // One that is just being started again must not outlive us.
      await restart;
      await child.stop();
    },
  };
}
