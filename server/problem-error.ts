/**
 * What a call throws. `TaximeterProblem`: the gateway answered no, by an RFC 9457 problem document.
 * `TaximeterUnreachable`: it gave no answer. Neither ever holds the API key or a ticket: both end in
 * logs.
 */
import type { components } from './api.mjs';

export type Problem = components['schemas']['Problem'];
export type Action = components['schemas']['Action'];
/** Stable: decide by this. A newer gateway may say one that this version does not know. */
export type ProblemCode = Problem['code'] | (string & {});

/** Which call it was; ids are part of the path. */
export interface CallName {
  method: string;
  path: string;
}

export class TaximeterProblem extends Error {
  override readonly name = 'TaximeterProblem';
  readonly code: ProblemCode;
  /** HTTP status */
  readonly status: number;
  readonly title: string;
  /** What happened and what to do, for a person. */
  readonly detail: string;
  /** What would help, most useful first. */
  readonly actions: readonly Action[];
  /** With code `invalid`: every value that was wrong. */
  readonly errors: readonly { pointer: string; detail: string }[];
  /** Names this occurrence in the gateway's logs. */
  readonly instance: string | null;
  /** How long the gateway asks to wait; null: it said nothing. */
  readonly retryAfterMs: number | null;
  readonly call: CallName;

  constructor(problem: Problem, retryAfterMs: number | null, call: CallName) {
    super(problem.detail);
    this.code = problem.code;
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail;
    this.actions = problem.actions;
    this.errors = problem.errors ?? [];
    this.instance = problem.instance ?? null;
    this.retryAfterMs = retryAfterMs;
    this.call = call;
  }
}

export class TaximeterUnreachable extends Error {
  override readonly name = 'TaximeterUnreachable';
  readonly code: 'timeout' | 'network';
  /** How often it was tried. */
  readonly attempts: number;
  readonly call: CallName;

  /** `cause`: what `fetch` threw, for `network`. */
  constructor(code: 'timeout' | 'network', attempts: number, call: CallName, cause?: unknown) {
    const what = code === 'timeout' ? 'did not answer in time' : 'could not be reached';
    super(
      `Taximeter ${what} (${call.method} ${call.path}, tried ${attempts} times): ` +
        'see that the gateway runs and that this URL is its.',
      cause === undefined ? {} : { cause },
    );
    this.code = code;
    this.attempts = attempts;
    this.call = call;
  }
}

/** Whether the meter could not be asked at all: nobody decided anything. */
export function isUnavailable(error: unknown): error is TaximeterProblem | TaximeterUnreachable {
  if (error instanceof TaximeterUnreachable) return true;
  // The rate is of this backend's key: it says nothing of the person who asks.
  return error instanceof TaximeterProblem && (error.status >= 500 || error.code === 'rateLimited');
}
