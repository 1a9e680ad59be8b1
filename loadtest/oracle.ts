/**
 * When a budget truly ran out, from the recorders' own stopwatches alone: the instant at which the
 * sum of what an organization's sessions recorded reached a level. The meter's word is not asked.
 *
 * A recorder's time begins when `started` arrives, the meter's when it is sent (rule 2): what the
 * wire took lies between them, so that "true" here is later by its mean over the sessions of the
 * budget, and a stop may come that much before it.
 */
import type { RecorderLog, Span } from './recorder-log.ts';

/** When the sum of time in these spans reaches `levelMs`; null: never. An end may be infinite. */
export function crossingMs(spans: readonly Span[], levelMs: number): number | null {
  const turns = spans
    .flatMap(({ fromMs, toMs }) => [
      { atMs: fromMs, change: 1 },
      { atMs: toMs, change: -1 },
    ])
    .sort((a, b) => a.atMs - b.atMs);
  let usedMs = 0;
  let running = 0;
  let atMs = turns[0]?.atMs ?? 0;
  for (const turn of turns) {
    const grownMs = running * (turn.atMs - atMs);
    if (running > 0 && usedMs + grownMs >= levelMs) return atMs + (levelMs - usedMs) / running;
    usedMs += running === 0 ? 0 : grownMs;
    running += turn.change;
    atMs = turn.atMs;
  }
  return null;
}

/**
 * What they would have recorded had nobody stopped them: a recorder that was stopped while it ran
 * goes on for ever. So a stop that came too early still has its true instant, after it.
 */
export function unstoppedSpans(log: RecorderLog): Span[] {
  const { stop, recording } = log;
  if (stop === null) return recording;
  return recording.map((span) =>
    span.toMs >= stop.atMs ? { fromMs: span.fromMs, toMs: Number.POSITIVE_INFINITY } : span,
  );
}

export function isAwayAt(log: RecorderLog, fromMs: number, toMs = fromMs): boolean {
  return log.away.some((span) => span.fromMs <= toMs && span.toMs >= fromMs);
}

/** Whether it was in the room then: joined, and not yet stopped by itself. */
export function isLiveAt(log: RecorderLog, atMs: number): boolean {
  const first = log.recording[0];
  const last = unstoppedSpans(log).at(-1);
  return first !== undefined && last !== undefined && first.fromMs <= atMs && atMs <= last.toMs;
}
