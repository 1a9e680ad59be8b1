/** When a call is worth another attempt, and how long to wait for it. */
import { TaximeterProblem, TaximeterUnreachable } from './problem-error.ts';

const BASE_MS = 200;
const LONGEST_MS = 2_000;
/** Beyond any header that means what it says. */
const MAX_RETRY_AFTER_MS = 86_400_000;

/** A gateway or a proxy before it that says: not now. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([502, 503, 504]);

/** `rateLimited` is a matter of time; other 429 are decisions, as every 4xx is. */
export function isPassing(error: unknown): boolean {
  if (error instanceof TaximeterUnreachable) return true;
  if (!(error instanceof TaximeterProblem)) return false;
  return PASSING_STATUSES.has(error.status) || error.code === 'rateLimited';
}

/**
 * Full jitter, so that a thousand backends do not come back as one; never before the gateway said.
 * @param attempt the one that failed, from 0
 * @param random in [0, 1)
 */
export function delayMs(attempt: number, error: unknown, random: number): number {
  const jittered = random * Math.min(LONGEST_MS, BASE_MS * 2 ** attempt);
  const asked = error instanceof TaximeterProblem ? (error.retryAfterMs ?? 0) : 0;
  return Math.ceil(Math.max(jittered, asked));
}

/** Retry-After: whole seconds or an HTTP date. Null for none and for nonsense. */
export function retryAfterMsOf(header: string | null, wallAt: number): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - wallAt;
  return Number.isFinite(ms) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms)) : null;
}
