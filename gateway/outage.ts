/** Whether the meter answers, as seen from here. Told once when it stops, and once when it is back. */
import { PartUnreachable } from '../core/meter/servers.ts';
import type { Log } from '../core/runtime/log.ts';

/**
 * After an outage every gateway tells what was proven meanwhile. Whoever resumes at another one waits
 * so long for that: else its session would go on from before the outage.
 */
const TELLING_MS = 1_500;

export interface Outage {
  answered(): void;
  failed(error: unknown): void;
  /** There was none to be asked for a while: it is a new connection that answers. */
  reconnected(): void;
  /** real ms since the first call that got no answer; 0 while the meter answers */
  lastsMs(): number;
  /** Resolves when gateways have had the time to tell what they kept through the last outage. */
  told(): Promise<void>;
}

export interface OutageOptions {
  log: Log;
  monotonicMs(): number;
  began(): void;
  /** The meter answers again. */
  over(): void;
}

export function createOutage({ log, monotonicMs, began, over }: OutageOptions): Outage {
  let since: number | null = null;
  let toldAt = Number.NEGATIVE_INFINITY;
  const lastsMs = () => (since === null ? 0 : monotonicMs() - since);

  return {
    lastsMs,
    answered() {
      if (since === null) return;
      log.warn({ lastedMs: Math.round(lastsMs()) }, 'the meter answers again');
      since = null;
      toldAt = monotonicMs() + TELLING_MS;
      over();
    },
    failed(error) {
      // Its sessions wait by themselves; the meter as such answers.
      if (since !== null || error instanceof PartUnreachable) return;
      since = monotonicMs();
      log.error({ err: error }, 'the meter does not answer: sessions count on here meanwhile');
      began();
    },
    reconnected() {
      toldAt = monotonicMs() + TELLING_MS;
    },
    async told() {
      const restMs = toldAt - monotonicMs();
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    },
  };
}
