/**
 * Gathers sessions' words into few script calls: an idle meter is asked at once, and while words keep
 * coming the calls are spaced. Batching is the lever of the hot path: a call costs a gateway and Redis
 * some 60 µs whatever is in it, and a word among twenty a tenth of that.
 */
import type { BeatItem, BeatReply, BeatsReply, Meter } from './commands.ts';

/** Between the beginnings of two calls; the longest a word waits, and half of it the middle. */
export const BATCH_WINDOW_MS = 5;
/** Words in one script call: about 5 ms of Redis, the longest others wait. */
const MAX_BATCH_ITEMS = 500;

/** A word with the instant of its total on the gateway's monotonic clock; its age is set as it is sent. */
export interface Word extends BeatItem {
  /** monotonic, real ms */
  at: number;
}

/** `Speaker` is who words are said for: a session as its gateway holds it. */
export interface BatchOptions<Speaker, SaidWord extends Word> {
  meter: Pick<Meter, 'beats'>;
  monotonicMs(): number;
  wallMs(): number;
  /** meter ms per real ms */
  speed: number;
  /**
   * What is to be said for it as the call is made: totals, never deltas, so that the last word covers
   * the ones before. `saidAt`: since when it waits to be said, monotonic.
   */
  word(speaker: Speaker, saidAt: number): SaidWord;
  /** The answer's figures, before anything follows from what the call told. */
  taken(speaker: Speaker, word: SaidWord, reply: BeatReply): void;
  /** Between `taken` and `heard` of its words: what the call as a whole told. */
  told(reply: BeatsReply): void;
  /** Called once for a word: with the meter's answer, or null where the meter could not be asked. */
  heard(speaker: Speaker, word: SaidWord, reply: BeatReply | null): void;
  /** The meter could not be asked. */
  unanswered(error: unknown): void;
  /** Something that follows from an answer broke. */
  failed(error: unknown): void;
}

export interface Batch<Speaker> {
  /** Once for all that is said of it before the next call. */
  say(speaker: Speaker): void;
  /** Resolves when nothing is under way and nothing waits. */
  idle(): Promise<void>;
}

export function createBatch<Speaker, SaidWord extends Word>(
  options: BatchOptions<Speaker, SaidWord>,
): Batch<Speaker> {
  const { monotonicMs, speed } = options;
  /** Since when; in an outage it does not grow beyond one a session. */
  const waiting = new Map<Speaker, number>();
  let isUnderWay = false;
  let isScheduled = false;
  let lastCallAt = Number.NEGATIVE_INFINITY;
  const idlers: (() => void)[] = [];

  async function send(speakers: Speaker[], words: SaidWord[]): Promise<void> {
    const now = monotonicMs();
    for (const word of words) word.ageMs = Math.max(0, Math.round((now - word.at) * speed));
    let reply: BeatsReply | null = null;
    try {
      reply = await options.meter.beats(words, options.wallMs());
    } catch (error) {
      if (isOfScript(error) && words.length > 1) {
        // A record that the script cannot read must not keep all the others from being charged.
        const half = Math.ceil(words.length / 2);
        await send(speakers.slice(0, half), words.slice(0, half));
        return send(speakers.slice(half), words.slice(half));
      }
      options.unanswered(error);
    }
    answer(speakers, words, reply);
  }

  /** One session's trouble must not keep the others waiting. */
  function answer(speakers: Speaker[], words: SaidWord[], reply: BeatsReply | null): void {
    for (let i = 0; reply && i < words.length; i++) {
      const own = reply.items[i];
      try {
        if (own) options.taken(speakers[i]!, words[i]!, own);
      } catch (error) {
        options.failed(error);
      }
    }
    try {
      if (reply) options.told(reply);
    } catch (error) {
      options.failed(error);
    }
    for (let i = 0; i < words.length; i++) {
      try {
        options.heard(speakers[i]!, words[i]!, reply?.items[i] ?? null);
      } catch (error) {
        options.failed(error);
      }
    }
  }

  async function run(): Promise<void> {
    isScheduled = false;
    isUnderWay = true;
    lastCallAt = monotonicMs();
    const speakers: Speaker[] = [];
    const words: SaidWord[] = [];
    for (const [speaker, saidAt] of waiting) {
      if (words.length === MAX_BATCH_ITEMS) break;
      waiting.delete(speaker);
      speakers.push(speaker);
      words.push(options.word(speaker, saidAt));
    }
    await send(speakers, words);
    isUnderWay = false;
    if (waiting.size > 0) schedule();
    else for (const resolve of idlers.splice(0)) resolve();
  }

  function schedule(): void {
    isScheduled = true;
    const waitMs = lastCallAt + BATCH_WINDOW_MS - monotonicMs();
    // Not within this turn: what it reads from its sockets goes into one call.
    if (waitMs <= 0 || waiting.size >= MAX_BATCH_ITEMS) setImmediate(run);
    else setTimeout(run, waitMs);
  }

  return {
    say(speaker) {
      if (!waiting.has(speaker)) waiting.set(speaker, monotonicMs());
      if (!isUnderWay && !isScheduled) schedule();
    },
    idle() {
      if (!isUnderWay && waiting.size === 0) return Promise.resolve();
      return new Promise((resolve) => idlers.push(resolve));
    },
  };
}

/** The script broke on what it was given; other errors of Redis (no memory, no disk) meet any words. */
function isOfScript(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith('ERR');
}
