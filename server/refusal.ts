/** How the middleware says no to a person’s request: a problem document, as the gateway’s own. */

import type { Action, TaximeterProblem, TaximeterUnreachable } from './problem-error.ts';
import type { Check } from './taximeter.ts';

export interface Refusal {
  status: number;
  /** Stable: a page decides by it what to show. */
  code: string;
  title: string;
  /** What happened and what to do, for a person. */
  detail: string;
  actions: readonly Action[];
  /** Seconds; null: waiting alone does not help, or nobody knows how long. */
  retryAfterSeconds: number | null;
}

type Reason = NonNullable<Check['reason']>;
interface Sentence {
  status: 402 | 403 | 429;
  title: string;
  detail: string;
}

const REASONS: Readonly<Record<Reason, Sentence>> = {
  limitReached: {
    status: 402,
    title: 'Limit reached',
    detail: 'What the plan includes is used up: add more, or wait for the next period.',
  },
  plannedTooLong: {
    status: 402,
    title: 'Planned length does not fit',
    detail: 'Less is left than this would take: plan it shorter, or add more.',
  },
  fileTooLarge: {
    status: 402,
    title: 'File too large',
    detail: 'The plan takes no files of this size: send a smaller one, or upgrade.',
  },
  costCeilingReached: {
    status: 402,
    title: 'Cost ceiling of the day reached',
    detail: 'What a day may cost is spent: wait for tomorrow, or have the ceiling raised.',
  },
  featureNotAllowed: {
    status: 403,
    title: 'Feature not in the plan',
    detail: 'The plan does not include this feature: upgrade to have it.',
  },
  organizationSuspended: {
    status: 403,
    title: 'Organization suspended',
    detail: 'This organization is suspended: ask its administrator.',
  },
  concurrencyLimit: {
    status: 429,
    title: 'Too many concurrent sessions',
    detail: 'As many record now as the plan allows: end one of them, or wait.',
  },
};

/** A session may end at any moment: how long a busy place is worth waiting for nobody knows. */
const BUSY_RETRY_SECONDS = 10;
const UNAVAILABLE_RETRY_SECONDS = 2;

/** From a check that did not allow. */
export function refusalOfCheck({ reason, actions, reading }: Check): Refusal {
  // A gateway may be newer than this file: what it refuses stays refused.
  const known = (REASONS as Partial<Record<string, Sentence>>)[reason ?? ''];
  const sentence = known ?? { ...REASONS.limitReached, status: 403, title: 'Not allowed' };
  const waitSeconds = secondsUntilWaited(actions, Date.parse(reading.at));
  return {
    ...sentence,
    code: reason ?? 'limitReached',
    actions,
    retryAfterSeconds: waitSeconds ?? (sentence.status === 429 ? BUSY_RETRY_SECONDS : null),
  };
}

/** From the gateway’s own no. */
export function refusalOfProblem(problem: TaximeterProblem): Refusal {
  const { status, code, title, detail, actions, retryAfterMs } = problem;
  const asked = retryAfterMs === null ? null : Math.ceil(retryAfterMs / 1_000);
  const waitSeconds = asked ?? secondsUntilWaited(actions, Date.now());
  const busy = status === 429 ? BUSY_RETRY_SECONDS : null;
  return { status, code, title, detail, actions, retryAfterSeconds: waitSeconds ?? busy };
}

/** The meter could not be asked. What failed is for the log, not for the person. */
export function refusalOfOutage(error: TaximeterProblem | TaximeterUnreachable): Refusal {
  const asked = 'retryAfterMs' in error ? error.retryAfterMs : null;
  return {
    status: 503,
    code: 'meterUnavailable',
    title: 'Meter unavailable',
    detail: 'Whether this is allowed cannot be decided at the moment: try again shortly.',
    actions: [{ type: 'wait' }],
    retryAfterSeconds: asked === null ? UNAVAILABLE_RETRY_SECONDS : Math.ceil(asked / 1_000),
  };
}

export const NOT_SIGNED_IN: Refusal = {
  status: 401,
  code: 'notSignedIn',
  title: 'Not signed in',
  detail: 'Nobody is signed in: sign in and try again.',
  actions: [],
  retryAfterSeconds: null,
};

/** @param at the clock `until` is on: the meter’s, which a test may let run faster */
function secondsUntilWaited(actions: readonly Action[], at: number): number | null {
  const until = actions.find(({ type }) => type === 'wait')?.until;
  if (until === undefined) return null;
  return Math.max(1, Math.ceil((Date.parse(until) - at) / 1_000));
}

export interface Written {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** JSON */
  body: string;
}

/** `type` names the code and no address: where the gateway is does not concern a page. */
export function written({ retryAfterSeconds, ...refusal }: Refusal): Written {
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  };
  if (retryAfterSeconds !== null) headers['retry-after'] = String(retryAfterSeconds);
  const body = JSON.stringify({ type: `urn:taximeter:problem:${refusal.code}`, ...refusal });
  return { status: refusal.status, headers, body };
}

export function refusalResponse(refusal: Refusal): Response {
  const { status, headers, body } = written(refusal);
  return new Response(body, { status, headers });
}
