/**
 * Lets go of sessions that are over once the ledger has all of them (rule 16). The meter tells it by
 * event; what was told while nobody listened is asked of Postgres now and then.
 */
import type { Log } from '../core/runtime/log.ts';
import type { Hub } from './hub.ts';
import type { Ledger } from './ledger.ts';
import type { LiveSession } from './session.ts';

const LOOK_MS = 30_000;
/** Sessions asked about in one look. */
const MAX_ASKED = 200;

export function startRetention(options: { hub: Hub; ledger: Pick<Ledger, 'base'>; log: Log }): {
  stop(): Promise<void>;
} {
  const { hub, ledger, log } = options;
  let earlier = new Set<LiveSession>();

  async function isInLedger(session: LiveSession): Promise<boolean> {
    const known = await ledger.base(session.org, session.id);
    if (!known?.base.ended) return false;
    return known.base.chargedMs >= session.acknowledged.chargedMs;
  }

  async function look(): Promise<void> {
    const kept = [...hub.retained()];
    const asked = kept.filter((session) => earlier.has(session)).slice(0, MAX_ASKED);
    for (const session of asked) {
      if (await isInLedger(session)) hub.forget(session.org, session.id);
    }
    earlier = new Set(kept);
  }

  const timer = setInterval(() => {
    look().catch((error) => log.debug({ err: error }, 'retained sessions wait for Postgres'));
  }, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
    },
  };
}
