/**
 * Where a recorder's own clock and the meter's may rightly differ: rule 2 counts a gap whole or not at
 * all, and which of the two hangs on when an answer arrived that the recorder cannot see arrive. So it
 * notes how much time no log of its own can decide. Without faults that is none.
 */

/** Two looks at one gap, from either end of a wire, differ by less than this on a busy machine. */
const SLACK_MS = 500;

export class Doubt {
  ms = 0;
  #intervalMs = 0;
  #longestGapMs = 0;
  /** The gateway has proof up to this, at least. */
  #provenMs = 0;
  #lastTickMs = 0;
  #saidMs: number | null = null;

  /** `started` came; `isRunning`: its stopwatch ran while it was away. */
  connected(nowMs: number, intervalMs: number, timeoutMs: number, isRunning: boolean): void {
    this.#intervalMs = intervalMs;
    this.#longestGapMs = intervalMs + timeoutMs;
    const gapMs = nowMs - this.#provenMs;
    if (isRunning && gapMs > this.#longestGapMs - SLACK_MS) this.ms += gapMs;
    this.#answered(nowMs);
    this.#provenMs = nowMs;
    this.#lastTickMs = nowMs;
  }

  /** `hasGrown`: the reading is higher than the last, so the answer to the last tick had arrived. */
  ticked(nowMs: number, hasGrown: boolean, isRunning: boolean): void {
    this.#answered(nowMs);
    if (!isRunning) this.#provenMs = nowMs;
    else if (hasGrown) this.#provenMs = this.#lastTickMs;
    this.#lastTickMs = nowMs;
  }

  /** A pause, the end of one, a stop: from now on the two may count differently, until it is heard. */
  said(nowMs: number): void {
    this.#saidMs ??= nowMs;
  }

  ended(nowMs: number): void {
    this.#answered(nowMs);
  }

  #answered(nowMs: number): void {
    if (this.#saidMs === null) return;
    const tookMs = nowMs - this.#saidMs;
    this.#saidMs = null;
    if (tookMs > this.#intervalMs + SLACK_MS) this.ms += tookMs;
  }
}
