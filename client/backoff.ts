/**
 * How long to wait before the next connection: full jitter, a random part of a ceiling that
 * doubles. When a gateway dies its clients come back spread over time, not as one wave; and the
 * first ceilings are low, so that a single lost connection is back within a second.
 */
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_LONGEST_MS = 15_000;

export class Backoff {
  readonly #random: () => number;
  #attempt = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How many waits since the last success. */
  get attempt(): number {
    return this.#attempt;
  }

  nextMs(): number {
    const ceilingMs = Math.min(BACKOFF_LONGEST_MS, BACKOFF_FIRST_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    return this.#random() * ceilingMs;
  }

  reset(): void {
    this.#attempt = 0;
  }
}

/** A small generator (mulberry32) for runs that must repeat: the same seed, the same numbers. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
