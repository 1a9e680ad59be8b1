/** What a test lets go wrong between a call and its answer. */
import type { ErrorType } from './api-error.ts';

export interface Fault {
  method?: 'GET' | 'POST' | 'DELETE';
  /** like `/v1/refunds`, or a pattern; every path when none is given */
  path?: string | RegExp;
  /** How many calls it meets: 1. */
  times?: number;
  /** Waits before anything is done. */
  delayMs?: number;
  /** The same, until a test says so. */
  until?: Promise<unknown>;
  /** Waits when it is done and not yet answered. */
  answerDelayMs?: number;
  /**
   * Answered instead of doing it. 500 is kept under the idempotency key, as at Stripe ("including 500
   * errors"); 429 and 503 are not: nothing began.
   */
  error?: { status: number; type?: ErrorType; code?: string; message?: string };
  /** Beside `error`: it is done all the same, at once or by `doLate`, as Stripe mends what broke. */
  done?: 'now' | 'later';
  /** The connection is cut, `before` anything is done or `after` it: the lost answer. */
  cut?: 'before' | 'after';
}

export interface Faults {
  /** @returns takes it away again */
  add(fault: Fault): () => void;
  clear(): void;
  keep(late: () => void): void;
  /** Does what was kept for later. */
  doLate(): void;
  /** The first that fits, one use of it spent. */
  take(method: string, path: string): Fault | null;
  /** Resolves after `ms`, or at once when everything stops. */
  wait(ms: number): Promise<void>;
  stop(): void;
}

export function createFaults(): Faults {
  let all: Array<{ fault: Fault; left: number }> = [];
  let kept: (() => void)[] = [];
  const waiting = new Map<NodeJS.Timeout, () => void>();
  const fits = ({ method, path }: Fault, call: { method: string; path: string }) =>
    (method === undefined || method === call.method) &&
    (path === undefined || (typeof path === 'string' ? path === call.path : path.test(call.path)));
  return {
    add(fault) {
      const entry = { fault, left: fault.times ?? 1 };
      all.push(entry);
      return () => {
        all = all.filter((it) => it !== entry);
      };
    },
    clear() {
      all = [];
    },
    keep(late) {
      kept.push(late);
    },
    doLate() {
      const all = kept;
      kept = [];
      for (const late of all) late();
    },
    take(method, path) {
      const entry = all.find((it) => it.left > 0 && fits(it.fault, { method, path }));
      if (entry === undefined) return null;
      entry.left -= 1;
      return entry.fault;
    },
    wait: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          waiting.delete(timer);
          resolve();
        }, ms);
        waiting.set(timer, resolve);
      }),
    stop() {
      for (const [timer, resolve] of waiting) {
        clearTimeout(timer);
        resolve();
      }
      waiting.clear();
    },
  };
}
