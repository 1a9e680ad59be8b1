/**
 * What every middleware is made of: who asks, what the meter says, and what holds when it says
 * nothing. Knows requests by functions alone, so that it is the same for every framework.
 */
import { isUnavailable, TaximeterProblem, type TaximeterUnreachable } from './problem-error.ts';
import { NOT_SIGNED_IN, type Refusal, refusalOfOutage, refusalOfProblem } from './refusal.ts';
import type { Taximeter } from './taximeter.ts';

/** Whose minutes. */
export interface Who {
  org: string;
  user: string;
}

/** Pieces that were to be counted. With the key they may be counted later, and once. */
export interface Count {
  feature: string;
  quantity: number;
  idempotencyKey: string;
}

export type Decision =
  /** `count`: what was counted, if anything was to be. */
  | { outcome: 'allowed'; who: Who; count: Count | null }
  | { outcome: 'refused'; who: Who | null; refusal: Refusal }
  /** The meter could not be asked, and `onUnavailable` decided. */
  | {
      outcome: 'unavailable';
      who: Who;
      isAllowed: boolean;
      /** What is used and not counted, if it was allowed. */
      count: Count | null;
      error: TaximeterProblem | TaximeterUnreachable;
    };

export type Awaitable<T> = T | Promise<T>;

export interface GateOptions<R> {
  taximeter: Pick<Taximeter, 'check' | 'consume'>;
  /** Who asks, from your own sign-in; null: nobody is signed in, answered with 401. */
  who: (request: R) => Awaitable<Who | null>;
  /** When the meter cannot be asked. Default: `refuse`, with 503. */
  onUnavailable?: 'allow' | 'refuse';
  /** Hears of every decision: for logs, and for what must be counted later. */
  onDecision?: (decision: Decision, request: R) => void;
}

export type ResponseHeaders = Readonly<Record<string, string>>;
export type Passage =
  | { refusal: Refusal }
  /** `settle`: what is left to do once the handler has succeeded. */
  | { headers: ResponseHeaders; settle: (() => Promise<Passage>) | null };
/** Rejects with what is wrong with the backend itself: its key, an unknown organization. */
export type Gate<R> = (request: R) => Promise<Passage>;

/** One question to the meter, and its answer as a decision that was told to `onDecision`. */
export async function decide<R>(
  options: Pick<GateOptions<R>, 'onUnavailable' | 'onDecision'>,
  request: R,
  who: Who,
  count: Count | null,
  ask: () => Promise<{ refusal: Refusal } | { headers: ResponseHeaders }>,
): Promise<{ refusal: Refusal } | { headers: ResponseHeaders }> {
  try {
    const answer = await ask();
    options.onDecision?.(
      'refusal' in answer
        ? { outcome: 'refused', who, refusal: answer.refusal }
        : { outcome: 'allowed', who, count },
      request,
    );
    return answer;
  } catch (error) {
    if (isUnavailable(error)) {
      const isAllowed = options.onUnavailable === 'allow';
      options.onDecision?.({ outcome: 'unavailable', who, isAllowed, count, error }, request);
      return isAllowed ? { headers: {} } : { refusal: refusalOfOutage(error) };
    }
    if (!isRefusal(error)) throw error;
    const refusal = refusalOfProblem(error);
    options.onDecision?.({ outcome: 'refused', who, refusal }, request);
    return { refusal };
  }
}

/** Null, said and answered, where nobody is signed in. */
export async function whoAsks<R>(
  options: Pick<GateOptions<R>, 'who' | 'onDecision'>,
  request: R,
): Promise<Who | null> {
  const who = await options.who(request);
  if (who !== null) return who;
  options.onDecision?.({ outcome: 'refused', who, refusal: NOT_SIGNED_IN }, request);
  return null;
}

/**
 * What concerns the person who asks. `notAllowed` does not: it is this backend's key that may not,
 * which no person could mend.
 */
function isRefusal(error: unknown): error is TaximeterProblem {
  if (!(error instanceof TaximeterProblem) || error.code === 'notAllowed') return false;
  return error.status === 402 || error.status === 403 || error.status === 429;
}
