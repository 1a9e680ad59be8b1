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
import { NOT_SIGNED_IN } from './refusal.ts';
import type { Consumed } from './taximeter.ts';

/** So long the answer of a handler that failed is held back. */
const GIVING_BACK_MS = 2_000;

export interface MeteredOptions<R> extends GateOptions<R> {
  feature: string;
  /** Default: 1 */
  quantity?: number | ((request: R) => Awaitable<number>);
  /**
   * `request`, the default, counts every request that is let in. `success` gives back what the
   * handler then answered with 400 or above. Both count before the handler runs: of any number of
   * requests at once as many are let in as there are pieces.
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
    return decide(options, request, who, count, async () => {
      const body = { user, feature, quantity };
      const consumed = await taximeter.consume(org, body, { idempotencyKey });
      // What another request was counted for is not this one's to give back.
      const isOurs = options.countOn === 'success' && !consumed.repeated;
      const giveBack = () => giveBackCount(options, request, who, count);
      return { headers: headersOf(consumed), giveBack: isOurs ? giveBack : null };
    });
  };
}

async function giveBackCount<R>(
  { taximeter, onDecision }: MeteredOptions<R>,
  request: R,
  who: Who,
  count: Count,
): Promise<void> {
  try {
    const { idempotencyKey } = count;
    await taximeter.giveBack(who.org, { idempotencyKey }, { timeoutMs: GIVING_BACK_MS });
  } catch (error) {
    onDecision?.({ outcome: 'notGivenBack', who, count, error }, request);
  }
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
