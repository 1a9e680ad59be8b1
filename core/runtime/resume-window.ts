/** Gateways and workers read these three alike: the ones notice silence, the others end it. */
export interface ResumeWindow {
  resumeWindowMs: number;
  intervalMs: number;
  timeoutMs: number;
}

/**
 * A recorder may be silent for an interval and a timeout before its gateway knows that it is gone. A
 * shorter window would end sessions that record.
 * @throws Error that says which value helps
 */
export function refuseShortWindow({ resumeWindowMs, intervalMs, timeoutMs }: ResumeWindow): void {
  const leastMs = intervalMs + timeoutMs;
  if (resumeWindowMs >= leastMs) return;
  throw new Error(
    `RESUME_WINDOW_MS is ${resumeWindowMs}, and a recorder may be silent for TICK_INTERVAL_MS and ` +
      `BEAT_TIMEOUT_MS together, ${intervalMs} + ${timeoutMs} ms: its session would be ended while it ` +
      `records. Set RESUME_WINDOW_MS=${leastMs} or more, alike for gateways and workers.`,
  );
}
