import type { Span } from './recorder-log.ts';

/**
 * A recorder's own stopwatch, kept as the spans in which it recorded. It shares no code with the
 * client library's: it follows rule 2 of core/meter/README.md from what the recorder did and heard.
 */
export class RecordingTime {
  readonly spans: Span[] = [];
  #fromMs: number | null = null;
  #provenMs = 0;

  get isRunning(): boolean {
    return this.#fromMs !== null;
  }

  begin(nowMs: number): void {
    this.#fromMs ??= nowMs;
    this.#provenMs = nowMs;
  }

  halt(nowMs: number): void {
    if (this.#fromMs !== null) this.spans.push({ fromMs: this.#fromMs, toMs: nowMs });
    this.#fromMs = null;
    this.#provenMs = nowMs;
  }

  /** A tick was answered. */
  prove(nowMs: number): void {
    this.#provenMs = nowMs;
  }

  /** Back on a new connection: a gap up to `longestGapMs` counts whole, a longer one not at all. */
  bridge(nowMs: number, longestGapMs: number): void {
    if (this.isRunning && nowMs - this.#provenMs > longestGapMs) {
      this.halt(this.#provenMs);
      this.begin(nowMs);
    }
    this.#provenMs = nowMs;
  }
}
