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

/** Pieces that were to be counted. By its key a count can be made up for, or given back, once. */
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
      /** May have been counted or not: an answer can be lost. */
      count: Count | null;
      error: TaximeterProblem | TaximeterUnreachable;
    }
  /** The handler failed, and what it was counted for could not be given back. */
  | { outcome: 'notGivenBack'; who: Who; count: Count; error: unknown };

export type Awaitable<T> = T | Promise<T>;

export interface GateOptions<R> {
  taximeter: Pick<Taximeter, 'check' | 'consume' | 'giveBack'>;
  /** Who asks, from your own sign-in; null: nobody is signed in, answered with 401. */
  who: (request: R) => Awaitable<Who | null>;
  /** When the meter cannot be asked. Default: `refuse`, with 503. */
  onUnavailable?: 'allow' | 'refuse';
  /** Hears of every decision: for logs, and for what must be counted later. */
  onDecision?: (decision: Decision, request: R) => void;
}

export type ResponseHeaders = Readonly<Record<string, string>>;
export interface Refused {
  refusal: Refusal;
}
export interface LetIn {
  headers: ResponseHeaders;
  /** To be awaited where the handler fails: gives back what was counted. Never rejects. */
  giveBack: (() => Promise<void>) | null;
}
/** Rejects with what is wrong with the backend itself: its key, an unknown organization. */
export type Gate<R> = (request: R) => Promise<LetIn | Refused>;

const LET_IN_UNASKED: LetIn = { headers: {}, giveBack: null };

/** One question to the meter, and its answer as a decision that was told to `onDecision`. */
export async function decide<R>(
  options: Pick<GateOptions<R>, 'onUnavailable' | 'onDecision'>,
  request: R,
  who: Who,
  count: Count | null,
  ask: () => Promise<LetIn | Refused>,
): Promise<LetIn | Refused> {
  const refuse = (refusal: Refusal): Refused => {
    options.onDecision?.({ outcome: 'refused', who, refusal }, request);
    return { refusal };
  };
  let answer: LetIn | Refused;
  try {
    answer = await ask();
  } catch (error) {
    if (isRefusal(error)) return refuse(refusalOfProblem(error));
    if (!isUnavailable(error)) throw error;
    const isAllowed = options.onUnavailable === 'allow';
    options.onDecision?.({ outcome: 'unavailable', who, isAllowed, count, error }, request);
    return isAllowed ? LET_IN_UNASKED : { refusal: refusalOfOutage(error) };
  }
  if ('refusal' in answer) return refuse(answer.refusal);
  options.onDecision?.({ outcome: 'allowed', who, count }, request);
  return answer;
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
  if (!(error instanceof TaximeterProblem)) return false;
  const { status, code } = error;
  if (code === 'notAllowed' || code === 'rateLimited') return false;
  // A name that somebody gave to two different pieces.
  if (code === 'idempotencyKeyReused') return true;
  return status === 402 || status === 403 || status === 429;
}
