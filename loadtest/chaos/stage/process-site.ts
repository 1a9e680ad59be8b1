/** A gateway or worker that may be ended, frozen and started again while others look on. */
import { type Child, describeExit } from '../../../local/child.ts';
import { type ServingOptions, startServing } from '../../../local/processes.ts';

export interface ProcessSite {
  name: string;
  isUp(): boolean;
  pid(): number | null;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and its own time to say goodbye. */
  drain(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** Started if it is not; resolves when it serves. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** `onIncident` hears of an end that nobody asked for; it is then started again. */
export async function openProcessSite(
  options: ServingOptions,
  onIncident: (sentence: string) => void,
): Promise<ProcessSite> {
  let child: Child | null = null;
  let starting: Promise<void> | null = null;
  let isStopped = false;
  const expected = new Set<Child>();

  function start(): Promise<void> {
    if (child !== null || isStopped) return Promise.resolve();
    starting ??= begin().finally(() => {
      starting = null;
    });
    return starting;
  }

  /** One that its stores are gone from under is refused its start: it is tried again, as an orchestrator would. */
  async function begin(): Promise<void> {
    for (let tries = 1; !isStopped; tries++) {
      try {
        const born = await startServing(options);
        child = born;
        void born.exited.then((exit) => {
          if (child === born) child = null;
          if (isStopped || expected.delete(born)) return;
          onIncident(`${options.name} ${describeExit(exit)}:\n${born.logTail()}`);
          void start().catch(() => {});
        });
        return;
      } catch (error) {
        if (tries === START_TRIES) throw error;
      }
    }
  }

  function signal(name: NodeJS.Signals): void {
    if (child !== null) process.kill(child.pid, name);
  }

  await start();
  return {
    name: options.name,
    isUp: () => child !== null,
    pid: () => child?.pid ?? null,
    async kill() {
      const victim = child;
      if (victim === null) return;
      expected.add(victim);
      signal('SIGKILL');
      await victim.exited;
    },
    async drain() {
      const leaving = child;
      if (leaving === null) return;
      expected.add(leaving);
      await leaving.stop();
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    start,
    async stop() {
      isStopped = true;
      signal('SIGCONT');
      await starting?.catch(() => {});
      await child?.stop();
    },
  };
}

const START_TRIES = 10;
