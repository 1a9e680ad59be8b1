/**
 * The recorder's own account of its recorded time, by its own clock: the witness that knows nothing
 * of what the meter said. It follows the same rule as the meter: a gap between two proofs counts
 * whole up to interval + timeout and not at all beyond it (core/protocol/README.md, Timing).
 */
export class Stopwatch {
  #speed: number;
  /** Real milliseconds counted up to `#since`. */
  #countedMs = 0;
  /** Since when it runs; null while it stands. */
  #sinceMs: number | null = null;
  #proofMs = 0;
  #countedAtProofMs = 0;
  #droppedMs = 0;

  /** `speed`: meter seconds per real second; 1 but for the test clock. */
  constructor(speed: number) {
    this.#speed = speed;
  }

  /** Meter time recorded so far. */
  recordedMs(nowMs: number): number {
    return this.#realMs(nowMs) * this.#speed;
  }

  /** Meter time that passed while recording and was not counted: gaps that were too long. */
  get droppedMs(): number {
    return this.#droppedMs * this.#speed;
  }

  /** What is recorded already stays as many seconds of meter time. */
  setSpeed(speed: number, nowMs: number): void {
    const scale = this.#speed / speed;
    this.#countedMs = this.#realMs(nowMs) * scale;
    if (this.#sinceMs !== null) this.#sinceMs = nowMs;
    this.#countedAtProofMs *= scale;
    this.#droppedMs *= scale;
    this.#speed = speed;
  }

  /** Starts over, from what an earlier life of this recorder had counted. */
  reset(recordedMs: number): void {
    this.#countedMs = recordedMs / this.#speed;
    this.#sinceMs = null;
    this.#droppedMs = 0;
    this.#countedAtProofMs = this.#countedMs;
  }

  run(nowMs: number): void {
    this.#sinceMs ??= nowMs;
    this.prove(nowMs);
  }

  halt(nowMs: number): void {
    this.#countedMs = this.#realMs(nowMs);
    this.#sinceMs = null;
    this.prove(nowMs);
  }

  /** A beat went out: time up to here is proven. */
  prove(nowMs: number): void {
    this.#proofMs = nowMs;
    this.#countedAtProofMs = this.#realMs(nowMs);
  }

  /** The session was resumed: the time since the last proof counts, unless it is too long. */
  bridge(nowMs: number, longestGapMs: number): void {
    if (nowMs - this.#proofMs > longestGapMs) {
      this.#droppedMs += this.#realMs(nowMs) - this.#countedAtProofMs;
      this.#countedMs = this.#countedAtProofMs;
      if (this.#sinceMs !== null) this.#sinceMs = nowMs;
    }
    this.prove(nowMs);
  }

  #realMs(nowMs: number): number {
    return this.#countedMs + (this.#sinceMs === null ? 0 : nowMs - this.#sinceMs);
  }
}
