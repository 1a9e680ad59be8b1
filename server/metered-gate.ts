/** Counts pieces of a feature: one step that asks and counts, so that the last piece is had once. */
import {
  type Awaitable,
  type Count,
  decide,
  type Gate,
  type GateOptions,
  type Who,
  whoAsks,
} from './gate.ts';
import { NOT_SIGNED_IN, refusalOfCheck } from './refusal.ts';
import type { Consumed } from './taximeter.ts';

export interface MeteredOptions<R> extends GateOptions<R> {
  feature: string;
  /** Default: 1 */
  quantity?: number | ((request: R) => Awaitable<number>);
  /**
   * `request`, the default, counts before the handler runs. `success` counts when it has answered
   * below 400: it is asked before whether there is any left, and where another request took the
   * last piece meanwhile, the answer is not sent.
   */
  countOn?: 'request' | 'success';
  /**
   * Names the piece, so that it counts once however often it is asked for. Give it only where your
   * handler, too, does a named piece once: else one name would buy many. Default: every request
   * counts.
   */
  idempotencyKey?: (request: R) => Awaitable<string | undefined>;
}

export function meteredGate<R>(options: MeteredOptions<R>): Gate<R> {
  const { feature, taximeter } = options;
  return async (request) => {
    const who = await whoAsks(options, request);
    if (who === null) return { refusal: NOT_SIGNED_IN };
    const { org, user } = who;
    const count = await countOf(options, request, who);
    const { quantity, idempotencyKey } = count;

    const settle = async () => {
      const passage = await decide(options, request, who, count, async () => {
        const body = { user, feature, quantity };
        return { headers: headersOf(await taximeter.consume(org, body, { idempotencyKey })) };
      });
      return 'refusal' in passage ? passage : { headers: passage.headers, settle: null };
    };
    if (options.countOn !== 'success') return settle();

    const passage = await decide(options, request, who, null, async () => {
      const check = await taximeter.check(org, { user, feature });
      // Who has no minutes left may still have exports: only what concerns the feature decides.
      const concerns = check.binding === 'feature' || check.reason === 'organizationSuspended';
      return check.allowed || !concerns ? { headers: {} } : { refusal: refusalOfCheck(check) };
    });
    return 'refusal' in passage ? passage : { headers: {}, settle };
  };
}

async function countOf<R>(options: MeteredOptions<R>, request: R, who: Who): Promise<Count> {
  const { feature } = options;
  const quantity =
    typeof options.quantity === 'function' ? await options.quantity(request) : options.quantity;
  const given = await options.idempotencyKey?.(request);
  const idempotencyKey =
    given === undefined ? crypto.randomUUID() : await keyOf([who.org, who.user, feature, given]);
  return { feature, quantity: quantity ?? 1, idempotencyKey };
}

/** Keys are this backend's: a name that one person chose must not be another's. */
async function keyOf(parts: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(parts));
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function headersOf({ remaining, resetsAt }: Consumed): Record<string, string> {
  const headers: Record<string, string> = {
    'taximeter-remaining': String(remaining ?? 'unlimited'),
  };
  if (resetsAt !== null) headers['taximeter-resets-at'] = resetsAt;
  return headers;
}
