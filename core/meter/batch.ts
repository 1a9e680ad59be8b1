/**
 * Gathers sessions' words into one script call: at once when the meter is idle, and while a call is
 * under way whatever comes meanwhile. Batching is the lever of the hot path: a batched charge costs
 * Redis less than one unpipelined INCR.
 */
import type { BeatItem, BeatReply, BeatsReply, Meter } from './commands.ts';

/** Words in one script call: about 5 ms of Redis, the longest others wait. */
const MAX_BATCH_ITEMS = 500;

/** A word with the instant of its total on the gateway's monotonic clock, not its age. */
export interface Word extends Omit<BeatItem, 'ageMs'> {
  /** monotonic, real ms */
  at: number;
  /** The answer's figures, before anything follows from what the call told. */
  taken(reply: BeatReply): void;
  /** Called once: with the meter's answer, or null where the meter could not be asked. */
  heard(reply: BeatReply | null): void;
}

export interface BatchOptions {
  meter: Pick<Meter, 'beats'>;
  monotonicMs(): number;
  wallMs(): number;
  /** meter ms per real ms */
  speed: number;
  /** Between `taken` and `heard` of its words: what the call as a whole told. */
  told(reply: BeatsReply): void;
  /** The meter could not be asked. */
  unanswered(error: unknown): void;
  /** Something that follows from an answer broke. */
  failed(error: unknown): void;
}

export interface Batch {
  /** A word of the same owner that still waits is covered by this one: totals, never deltas. */
  say(word: Word): void;
  /** Resolves when nothing is under way and nothing waits. */
  idle(): Promise<void>;
}

export function createBatch(options: BatchOptions): Batch {
  /** The last word of each owner of a session; in an outage it does not grow. */
  const waiting = new Map<string, Word>();
  let isUnderWay = false;
  let isScheduled = false;
  const idlers: (() => void)[] = [];

  async function send(words: Word[]): Promise<void> {
    const now = options.monotonicMs();
    const items = words.map(({ at, taken: _, heard: __, ...word }) => ({
      ...word,
      ageMs: Math.max(0, Math.round((now - at) * options.speed)),
    }));
    let reply: BeatsReply | null = null;
    try {
      reply = await options.meter.beats(items, options.wallMs());
    } catch (error) {
      if (isOfScript(error) && words.length > 1) {
        // A record that the script cannot read must not keep all the others from being charged.
        const half = Math.ceil(words.length / 2);
        await send(words.slice(0, half));
        return send(words.slice(half));
      }
      options.unanswered(error);
    }
    const answerOf = (i: number) => reply?.items[i] ?? null;
    for (const [i, word] of words.entries()) {
      const answer = answerOf(i);
      if (answer) guarded(() => word.taken(answer));
    }
    if (reply) guarded(() => options.told(reply));
    for (const [i, word] of words.entries()) guarded(() => word.heard(answerOf(i)));
  }

  /** One session's trouble must not keep the others waiting. */
  function guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      options.failed(error);
    }
  }

  async function run(): Promise<void> {
    isScheduled = false;
    isUnderWay = true;
    while (waiting.size > 0) {
      const words: Word[] = [];
      for (const [key, word] of waiting) {
        if (words.length === MAX_BATCH_ITEMS) break;
        words.push(word);
        waiting.delete(key);
      }
      await send(words);
    }
    isUnderWay = false;
    for (const resolve of idlers.splice(0)) resolve();
  }

  return {
    say(word) {
      const { org, session, epoch } = word;
      const key = `${org}|${session}|${epoch.generation}|${epoch.counter}`;
      const earlier = waiting.get(key);
      waiting.set(key, earlier ? both(earlier, word) : word);
      if (isUnderWay || isScheduled) return;
      isScheduled = true;
      // What one turn of the event loop reads from its sockets goes into one call.
      setImmediate(run);
    },
    idle() {
      if (!isUnderWay && !isScheduled && waiting.size === 0) return Promise.resolve();
      return new Promise((resolve) => idlers.push(resolve));
    },
  };
}

/** The script broke on what it was given; other errors of Redis (no memory, no disk) meet any words. */
function isOfScript(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith('ERR');
}

/** The later one is said; who said the earlier hears the same answer. */
function both(earlier: Word, later: Word): Word {
  return {
    ...later,
    taken(reply) {
      earlier.taken(reply);
      later.taken(reply);
    },
    heard(reply) {
      earlier.heard(reply);
      later.heard(reply);
    },
  };
}
