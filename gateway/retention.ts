/**
 * Lets go of sessions that are over once the ledger has all of them (rule 16). The meter tells it by
 * event; what was told while nobody listened is asked now and then, and what a recovery has missed
 * is told the meter once more.
 */
import type { Log } from '../core/runtime/log.ts';
import type { Hub } from './hub.ts';
import type { Ledger } from './ledger.ts';
import { type LiveSession, witnessOf } from './session.ts';

const LOOK_MS = 30_000;
/** Sessions asked about in one look. */
const MAX_ASKED = 200;

export interface RetentionOptions {
  hub: Hub;
  ledger: Pick<Ledger, 'base'>;
  log: Log;
  monotonicMs(): number;
  /** real ms after which a detached session has been ended, or has gone on elsewhere */
  resumeWindowMs: number;
  /** What has become of a detached session that nobody told of. */
  lookUp(session: LiveSession): Promise<void>;
  /** The ledger has not got all of it: the meter is told once more. */
  assert(session: LiveSession): Promise<void>;
}

export function startRetention(options: RetentionOptions): { stop(): Promise<void> } {
  const { hub, ledger, log } = options;
  let earlier = new Set<LiveSession>();
  let isLooking = false;
  let turns = 0;

  async function isInLedger(session: LiveSession): Promise<boolean> {
    const known = await ledger.base(session.org, session.id);
    if (!known) return false;
    const { chargedMs, overshootMs, ended } = known.base;
    if (chargedMs + overshootMs < witnessOf(session).totalMs) return false;
    // Of one that went on elsewhere, others bring the end.
    return ended || session.phase.kind === 'elsewhere';
  }

  /** Each look asks about others, so that those that stay long do not keep the rest waiting. */
  function some(sessions: LiveSession[]): LiveSession[] {
    const from = (turns * MAX_ASKED) % Math.max(1, sessions.length);
    return [...sessions.slice(from), ...sessions.slice(0, from)].slice(0, MAX_ASKED);
  }

  async function look(): Promise<void> {
    const kept = [...hub.retained()];
    for (const session of some(kept.filter((it) => earlier.has(it)))) {
      if (await isInLedger(session)) hub.forget(session.org, session.id);
      else await options.assert(session);
    }
    earlier = new Set(kept);
    const lostBefore = options.monotonicMs() - options.resumeWindowMs;
    const lost = [...hub.live()].filter((it) => !it.wire && it.heardAt < lostBefore);
    for (const session of some(lost)) await options.lookUp(session);
    turns += 1;
  }

  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((error) => log.debug({ err: error }, 'retained sessions wait for the stores'))
      .finally(() => {
        isLooking = false;
      });
  }, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
    },
  };
}
