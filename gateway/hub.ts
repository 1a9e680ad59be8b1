/** Who is here: sessions that are live on this gateway, and those whose last word it still keeps. */
import type { LiveSession } from './session.ts';

export interface Hub {
  add(session: LiveSession): void;
  get(org: string, id: string): LiveSession | undefined;
  /** Live ones: recording, paused, stopping or waiting to be resumed here. */
  live(): IterableIterator<LiveSession>;
  readonly size: number;
  /** It goes on elsewhere or is over, but its total is kept until the ledger has it (rule 16). */
  retain(session: LiveSession): void;
  /** What a recovery needs to hear: live ones and retained ones. */
  remembered(): LiveSession[];
  retained(): IterableIterator<LiveSession>;
  /**
   * The ledger has all of it. One stays whose recorder is still here, or whose last word is still
   * to come: its end is found out with its next word.
   */
  forget(org: string, id: string): void;
}

export interface HubListener {
  added(session: LiveSession): void;
  removed(session: LiveSession): void;
}

export function createHub(listener: HubListener): Hub {
  const live = new Map<string, LiveSession>();
  const kept = new Map<string, LiveSession>();

  const keyOf = ({ org, id }: { org: string; id: string }) => `${org}|${id}`;

  function remove(session: LiveSession): void {
    if (live.get(keyOf(session)) !== session) return;
    live.delete(keyOf(session));
    listener.removed(session);
  }

  return {
    add(session) {
      const earlier = live.get(keyOf(session));
      if (earlier && earlier !== session) remove(earlier);
      kept.delete(keyOf(session));
      live.set(keyOf(session), session);
      listener.added(session);
    },
    get: (org, id) => live.get(keyOf({ org, id })),
    live: () => live.values(),
    get size() {
      return live.size;
    },
    retain(session) {
      remove(session);
      if (!live.has(keyOf(session))) kept.set(keyOf(session), session);
    },
    remembered: () => [...live.values(), ...kept.values()],
    retained: () => kept.values(),
    forget(org, id) {
      kept.delete(keyOf({ org, id }));
      const session = live.get(keyOf({ org, id }));
      if (session && !session.wire && session.waitingSince === null) remove(session);
    },
  };
}
