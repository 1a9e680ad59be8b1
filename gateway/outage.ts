/** Whether the meter answers, as seen from here. Told once when it stops, and once when it is back. */
import type { Log } from '../core/runtime/log.ts';

export interface Outage {
  answered(): void;
  failed(error: unknown): void;
  /** real ms since the first call that got no answer; 0 while the meter answers */
  lastsMs(): number;
}

export function createOutage({ log, monotonicMs }: { log: Log; monotonicMs(): number }): Outage {
  let since: number | null = null;
  const lastsMs = () => (since === null ? 0 : monotonicMs() - since);

  return {
    lastsMs,
    answered() {
      if (since === null) return;
      log.warn({ lastedMs: Math.round(lastsMs()) }, 'the meter answers again');
      since = null;
    },
    failed(error) {
      if (since !== null) return;
      since = monotonicMs();
      log.error({ err: error }, 'the meter does not answer: sessions count on here meanwhile');
    },
  };
}
