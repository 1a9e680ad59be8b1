/**
 * Gaps that the rules let go, though a recorder's own clock counts them: rule 2 of core/meter/README.md
 * counts a gap whole or not at all, and the meter measures it by the clock of Redis where no stopwatch
 * remembers it. Always in the customer's favour, and never more than one gap a return.
 */
import type { RecorderLog, Span } from '../recorder-log.ts';
import type { Struck } from './schedule.ts';

/** A word is on its way to the meter for so long, and a step reaches its next script. */
const ON_ITS_WAY_MS = 1_000;
/** Who was stopped while it was away hears so with `started`, in one breath. */
const TOLD_AT_ONCE_MS = 500;

/** The meter had so much of it, of what it recorded up to then. */
interface Proof {
  atMs: number;
  readingMs: number;
}

/**
 * How much of this recorder's own time was let go by returns: what is missing from the proof before a
 * gap to the one after it, if the gap has a reason to be missing.
 * @param countedMs what was counted of it in the end
 */
export function uncountedMs(
  log: RecorderLog,
  countedMs: number,
  struck: readonly Struck[],
): number {
  const proofs = proofsOf(log, countedMs);
  return proofs.reduce((sum, after, i) => {
    const before = proofs[i - 1];
    if (before === undefined) return sum;
    const isLetGo = log.away.some(
      (away) =>
        away.toMs > before.atMs &&
        away.toMs <= after.atMs &&
        isCountedByItself(log, away) &&
        (isUnmeasured({ fromMs: before.atMs, toMs: away.toMs }, struck) || wasStopped(log, away)),
    );
    if (!isLetGo) return sum;
    const ownMs = recordedWithin(log, { fromMs: before.atMs, toMs: after.atMs });
    return sum + Math.max(0, ownMs - (after.readingMs - before.readingMs));
  }, 0);
}

function proofsOf({ heard = [] }: RecorderLog, countedMs: number): Proof[] {
  const proofs: Proof[] = [];
  heard.forEach(([atMs, type, readingMs], i) => {
    if (proofs.length > 0 && readingMs <= proofs.at(-1)!.readingMs) return;
    // A reading that has grown is of an answer to the tick before it, but for a return's.
    proofs.push({ atMs: type === 'started' ? atMs : (heard[i - 1]?.[0] ?? atMs), readingMs });
  });
  return [...proofs, { atMs: Number.POSITIVE_INFINITY, readingMs: countedMs }];
}

/** Its own clock took it for one that counts whole: it ran on. */
function isCountedByItself({ recording }: RecorderLog, away: Span): boolean {
  return recording.some(({ fromMs, toMs }) => fromMs <= away.fromMs && toMs >= away.toMs);
}

/** A clock of Redis that was stepped in a gap makes it an hour long, or one that ends before it begins. */
function isUnmeasured({ fromMs, toMs }: Span, struck: readonly Struck[]): boolean {
  return struck.some(
    (it) =>
      it.touches.includes('clock') &&
      it.target.startsWith('redis') &&
      [it.fromMs, it.toMs].some(
        (edgeMs) => edgeMs >= fromMs - ON_ITS_WAY_MS && edgeMs <= toMs + ON_ITS_WAY_MS,
      ),
  );
}

/** Rule 6: a gap is not counted for a stopped session. */
function wasStopped({ stop }: RecorderLog, { toMs }: Span): boolean {
  return stop !== null && stop.atMs >= toMs && stop.atMs <= toMs + TOLD_AT_ONCE_MS;
}

function recordedWithin({ recording }: RecorderLog, { fromMs, toMs }: Span): number {
  return recording.reduce(
    (sum, it) => sum + Math.max(0, Math.min(it.toMs, toMs) - Math.max(it.fromMs, fromMs)),
    0,
  );
}
