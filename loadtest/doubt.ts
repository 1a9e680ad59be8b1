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
  /** The checkpoint it holds says that time was proven up to this. */
  #provenMs = 0;
  #heardMs = 0;
  #saidMs: number | null = null;

  /** `started` came; `isRunning`: its stopwatch ran while it was away. */
  connected(nowMs: number, intervalMs: number, timeoutMs: number, isRunning: boolean): void {
    this.#intervalMs = intervalMs;
    const gapMs = nowMs - this.#provenMs;
    if (isRunning && gapMs > intervalMs + timeoutMs - SLACK_MS) this.ms += gapMs;
    this.ticked(nowMs, true, false);
  }

  /** `hasGrown`: the reading is higher than the last, so the answer to the last tick was counted. */
  ticked(nowMs: number, hasGrown: boolean, isRunning: boolean): void {
    this.#answered(nowMs);
    if (!isRunning) this.#provenMs = nowMs;
    else if (hasGrown) this.#provenMs = this.#heardMs;
    this.#heardMs = nowMs;
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
