/** Keeps one place among the gateway processes taken: who ends unasked is started again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../core/runtime/log.ts';
import { forkGateway, type GatewayProcess } from './process.ts';

const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** One that lived shorter fails for a reason that is still there: the next try waits longer. */
const STABLE_MS = 10_000;
const LOOK_MS = 3_000;
/**
 * In a row. One that hangs for 15 s has lost its recorders already, and would go on taking its share
 * of new ones. Counted in looks: after a pause of the whole machine there is one, not hundreds.
 */
const MAX_UNANSWERED = 5;

export interface Kept {
  readonly current: GatewayProcess;
  stop(reason: string, patienceMs: number): Promise<void>;
}

export function keepGateway(
  name: string,
  env: Record<string, string>,
  log: Log,
  lookMs = LOOK_MS,
): Kept {
  let current = forkGateway(name, env);
  let pauseMs = SHORTEST_PAUSE_MS;
  let unanswered = 0;
  const stopping = new AbortController();

  async function keep(): Promise<void> {
    for (;;) {
      const startedAt = performance.now();
      const how = await current.ended;
      if (stopping.signal.aborted) return;
      const isStable = performance.now() - startedAt >= STABLE_MS;
      pauseMs = isStable ? SHORTEST_PAUSE_MS : Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      log.error({ gateway: name, pid: current.pid, pauseMs }, `a gateway process ${how}`);
      await sleep(pauseMs, null, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      unanswered = 0;
      current = forkGateway(name, env);
      void current.started.then((serves) => {
        if (serves) log.info({ gateway: name, pid: current.pid }, 'a gateway process is back');
      });
    }
  }
  const kept = keep();

  const looking = setInterval(() => {
    const looked = current;
    if (!looked.isServing) return;
    if (unanswered >= MAX_UNANSWERED) {
      log.error({ gateway: name, pid: looked.pid }, 'a gateway process hangs: ending it');
      looked.kill();
      return;
    }
    unanswered += 1;
    void looked.ask('/healthz').then((answer) => {
      if (answer !== null) unanswered = 0;
    });
  }, lookMs);
  looking.unref();

  return {
    get current() {
      return current;
    },
    async stop(reason, patienceMs) {
      stopping.abort();
      clearInterval(looking);
      await current.stop(reason, patienceMs);
      await kept;
    },
  };
}
