/**
 * One call with all its attempts, by `fetch` alone. Every write carries an Idempotency-Key, its own
 * if the caller gave none, the same with each attempt: so any call may be repeated, and an attempt
 * whose answer was lost counts once.
 */
import type { Settings } from './options.ts';
import { type CallName, TaximeterProblem, TaximeterUnreachable } from './problem-error.ts';
import { type Answered, readAnswer } from './read-answer.ts';
import { delayMs, isPassing } from './retry.ts';

/** With less time left than this, no answer could come. */
const SHORTEST_ATTEMPT_MS = 10;

export interface CallOptions {
  /** Names what is done: the same key and body has one effect, however often it is sent. */
  idempotencyKey?: string;
  /** Ends the call; it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Instead of the client's own, for this call. */
  timeoutMs?: number;
}

export interface Call extends CallOptions {
  method: string;
  /** From the root of the API, query included. */
  path: string;
  body?: unknown;
}

/** @throws TaximeterProblem, TaximeterUnreachable, or the reason of the caller's signal */
export async function send(settings: Settings, call: Call): Promise<Answered> {
  const { method, path, signal } = call;
  const name: CallName = { method, path: path.replace(/\?.*/, '') };
  const request = requestOf(settings, call);
  const endsAtMs = performance.now() + (call.timeoutMs ?? settings.timeoutMs);
  for (let attempt = 0; ; attempt += 1) {
    signal?.throwIfAborted();
    const leftMs = endsAtMs - performance.now();
    const patienceMs = Math.max(1, Math.min(settings.attemptTimeoutMs, leftMs));
    try {
      return await attemptOnce(settings, request, patienceMs, signal, name);
    } catch (caught) {
      signal?.throwIfAborted();
      const error = named(caught, attempt + 1, name);
      if (!isPassing(error) || attempt + 1 >= settings.attempts) throw error;
      const waitMs = delayMs(attempt, error, settings.random());
      // What would come too late is not waited for: the caller hears now what it would hear then.
      if (performance.now() + waitMs + SHORTEST_ATTEMPT_MS > endsAtMs) throw error;
      await sleep(waitMs, signal);
    }
  }
}

const ACCEPTED = 'application/json, application/problem+json, text/csv';

interface Prepared {
  url: string;
  init: RequestInit;
}

function requestOf({ baseUrl, apiKey }: Settings, call: Call): Prepared {
  const headers = new Headers({ accept: ACCEPTED, authorization: `Bearer ${apiKey}` });
  if (call.method !== 'GET') {
    headers.set('idempotency-key', call.idempotencyKey ?? crypto.randomUUID());
  }
  const init: RequestInit = { method: call.method, headers, redirect: 'manual' };
  if (call.body !== undefined) {
    headers.set('content-type', 'application/json');
    init.body = JSON.stringify(call.body);
  }
  // Figures are of the moment; a framework that keeps answers must not keep these.
  if (CAN_FORBID_CACHES) init.cache = 'no-store';
  return { url: baseUrl + call.path, init };
}

/** Not every edge runtime knows the word: some throw at it. */
const CAN_FORBID_CACHES = (() => {
  try {
    return new Request('http://localhost', { cache: 'no-store' }).cache === 'no-store';
  } catch {
    return false;
  }
})();

async function attemptOnce(
  settings: Settings,
  { url, init }: Prepared,
  patienceMs: number,
  signal: AbortSignal | undefined,
  name: CallName,
): Promise<Answered> {
  const abort = new AbortController();
  const give = () => abort.abort(signal?.reason);
  const timer = setTimeout(() => abort.abort(TOO_LATE), patienceMs);
  signal?.addEventListener('abort', give, { once: true });
  try {
    const response = await settings.fetch(url, { ...init, signal: abort.signal });
    return await readAnswer(response, name);
  } catch (error) {
    // A body that is cut off by the timeout fails in other words than the timeout's own.
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', give);
  }
}

const TOO_LATE = Symbol('too late');

function named(error: unknown, attempts: number, name: CallName): Error {
  if (error instanceof TaximeterProblem) return error;
  if (error === TOO_LATE) return new TaximeterUnreachable('timeout', attempts, name);
  return new TaximeterUnreachable('network', attempts, name, error);
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end);
      resolve();
    }, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}
