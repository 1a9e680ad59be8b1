/**
 * Why connections never open. A browser's script sees only 1006 of an upgrade that was answered
 * with 403 or 503, so after some such failures the client asks for the reason by an ordinary
 * request (core/protocol/README.md, Connecting).
 */
import type { Refusal } from './state.ts';

export const FAILURES_BEFORE_ASKING = 3;
const ASK_TIMEOUT_MS = 5_000;

/** `refusal`: do not come back. `problem`: come back later, and this is why not now. */
export type TurnedAway = { refusal: Refusal } | { problem: string } | null;

interface Problem {
  code?: unknown;
  detail?: unknown;
}

/** Null where nothing could be learnt: no network, or the gateway sees nothing wrong. */
export async function askWhyTurnedAway(fetchLike: typeof fetch, url: string): Promise<TurnedAway> {
  try {
    const response = await fetchLike(url, {
      headers: { accept: 'application/problem+json' },
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    if (response.status !== 403 && response.status !== 503) return null;
    const problem = (await response.json().catch(() => ({}))) as Problem;
    const detail =
      typeof problem.detail === 'string'
        ? problem.detail
        : `The gateway turns connections away with HTTP ${response.status}.`;
    if (response.status === 503) return { problem: detail };
    const code = typeof problem.code === 'string' ? problem.code : 'forbidden';
    return { refusal: { code, detail, binding: null, reading: null, actions: [] } };
  } catch {
    return null;
  }
}
