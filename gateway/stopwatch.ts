/**
 * A session's recorded time: what counts (rules 1–3 of core/meter/README.md). Pure: the monotonic
 * instant is an argument. The total is in meter ms; instants and gaps are real ms.
 */
export interface Stopwatch {
  totalMs: number;
  /** the last instant up to which time has been proven */
  provenAt: number;
  isRunning: boolean;
}

export interface StopwatchRules {
  /** intervalMs + timeoutMs: a longer gap between two proofs does not count at all (rule 2) */
  countedGapMs: number;
  /** meter ms per real ms */
  speed: number;
}

export function startStopwatch(totalMs: number, at: number, isRunning: boolean): Stopwatch {
  return { totalMs, provenAt: at, isRunning };
}

/** The recorder was alive at `at`. An instant that is behind the last proof proves nothing. */
export function prove(watch: Stopwatch, at: number, rules: StopwatchRules): void {
  const gap = at - watch.provenAt;
  if (gap <= 0) return;
  if (watch.isRunning && gap <= rules.countedGapMs) watch.totalMs += gap * rules.speed;
  watch.provenAt = at;
}

/** Recording begins or pauses at `at`, which is a proof (paused time does not count, rule 3). */
export function setRunning(
  watch: Stopwatch,
  isRunning: boolean,
  at: number,
  rules: StopwatchRules,
): void {
  prove(watch, at, rules);
  watch.isRunning = isRunning;
}

/** Another witness knows of more: a checkpoint, the ledger. Totals never fall. */
export function lift(watch: Stopwatch, totalMs: number): void {
  if (totalMs > wholeMs(watch)) watch.totalMs = totalMs;
}

/** What is told to the meter: whole milliseconds. */
export function wholeMs(watch: Stopwatch): number {
  return Math.floor(watch.totalMs);
}
