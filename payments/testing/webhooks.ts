/**
 * Delivery of events: https://docs.stripe.com/webhooks. Each goes out as it is made, one after the
 * other; or they are held, and a test sends them in any order, late, or again. What an endpoint
 * refused is tried again when a test says so: Stripe's own retries take days.
 */
import { createHmac } from 'node:crypto';
import type Stripe from 'stripe';
import type { Account } from './account.ts';
import { isOfType } from './events.ts';

const TIMEOUT_MS = 10_000;

export interface Endpoint {
  url: string;
  /** Several while they rotate: each makes a signature. */
  secrets: string[];
  /** null: all of them */
  types: readonly string[] | null;
}

export interface Delivery {
  event: Stripe.Event;
  endpoint: Endpoint;
  /** null: no answer */
  status: number | null;
  /** What the endpoint said. */
  answer: string;
}

export interface Signed {
  body: string;
  headers: Record<string, string>;
}

export interface DeliverOptions {
  /** What the signature says; Stripe refreshes it with each attempt. */
  signedAtMs?: number;
  /** Others than the endpoint's. */
  secrets?: readonly string[];
}

export interface Webhooks {
  /** @returns the endpoint; change its `secrets` to rotate them */
  add(endpoint: { url: string; secrets: string | string[]; types?: readonly string[] }): Endpoint;
  remove(endpoint: Endpoint): void;
  /** From now on nothing goes out by itself. */
  hold(): void;
  /** Those that wait, oldest first. */
  held(): readonly Stripe.Event[];
  /** Sends those that wait, in the order in which they were made, and ends the hold. */
  release(): Promise<void>;
  /** Now, held or not, sent before or not; takes it from those that wait. */
  deliver(event: Stripe.Event | string, options?: DeliverOptions): Promise<Delivery[]>;
  /** All of one payment, refund, ... by an id in it; what `deliver` takes. */
  about(id: string): readonly Stripe.Event[];
  /** Every attempt. */
  readonly deliveries: readonly Delivery[];
  /** Sends again what no endpoint took. */
  retryFailed(): Promise<Delivery[]>;
  /** Until all that goes out by itself is out. */
  settled(): Promise<void>;
  sign(event: Stripe.Event, secrets: readonly string[], signedAtMs?: number): Signed;
  stop(): Promise<void>;
}

/** https://docs.stripe.com/webhooks#verify-manually */
export function signatureOf(body: string, secrets: readonly string[], atMs: number): string {
  const seconds = Math.floor(atMs / 1_000);
  const mac = (secret: string) =>
    createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  // Test events carry a false v0, so that nobody takes the first scheme they find.
  const v0 = mac('not a secret');
  return [`t=${seconds}`, ...secrets.map((secret) => `v1=${mac(secret)}`), `v0=${v0}`].join(',');
}

export function createWebhooks(account: Account): Webhooks {
  const endpoints: Endpoint[] = [];
  const deliveries: Delivery[] = [];
  const stopped = new AbortController();
  let waiting: Stripe.Event[] = [];
  let isHolding = false;
  let line: Promise<unknown> = Promise.resolve();

  const isWanted = ({ types }: Endpoint, event: Stripe.Event) =>
    types === null || types.some((wanted) => isOfType(event.type, wanted));

  const sign: Webhooks['sign'] = (event, secrets, signedAtMs = account.nowMs()) => {
    // Indented, as Stripe does: whoever writes it anew has another signature.
    const body = JSON.stringify(event, null, 2);
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
      'stripe-signature': signatureOf(body, secrets, signedAtMs),
    };
    return { body, headers };
  };

  async function send(event: Stripe.Event, endpoint: Endpoint, options: DeliverOptions) {
    const secrets = options.secrets ?? endpoint.secrets;
    const { body, headers } = sign(event, secrets, options.signedAtMs);
    const delivery: Delivery = { event, endpoint, status: null, answer: '' };
    try {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const init = { method: 'POST', body, headers, signal, redirect: 'manual' } as const;
      const response = await fetch(endpoint.url, init);
      delivery.status = response.status;
      delivery.answer = await response.text();
    } catch (error) {
      delivery.answer = String(error);
    }
    deliveries.push(delivery);
    return delivery;
  }

  async function sendToAll(event: Stripe.Event, options: DeliverOptions = {}) {
    const sent: Delivery[] = [];
    for (const endpoint of [...endpoints]) {
      if (stopped.signal.aborted) break;
      if (isWanted(endpoint, event)) sent.push(await send(event, endpoint, options));
    }
    return sent;
  }

  const isTaken = ({ status }: Delivery) => status !== null && status >= 200 && status < 300;
  const queue = (event: Stripe.Event) => {
    line = line.then(() => sendToAll(event));
  };

  account.onEvent.push((event) => {
    event.pending_webhooks = endpoints.filter((it) => isWanted(it, event)).length;
    if (isHolding) waiting.push(event);
    else queue(event);
  });

  async function settled(): Promise<void> {
    for (let last: unknown = null; last !== line; ) {
      last = line;
      await line;
    }
  }

  return {
    add({ url, secrets, types }) {
      const list = typeof secrets === 'string' ? [secrets] : secrets;
      const endpoint: Endpoint = { url, secrets: list, types: types ?? null };
      endpoints.push(endpoint);
      return endpoint;
    },
    remove(endpoint) {
      endpoints.splice(endpoints.indexOf(endpoint) >>> 0, 1);
    },
    hold() {
      isHolding = true;
    },
    held: () => [...waiting],
    async release() {
      isHolding = false;
      for (const event of waiting) queue(event);
      waiting = [];
      await settled();
    },
    deliver(event, options) {
      const found =
        typeof event === 'string' ? account.events.find((it) => it.id === event) : event;
      if (found === undefined) throw new Error(`No event ${String(event)}.`);
      waiting = waiting.filter((it) => it.id !== found.id);
      return sendToAll(found, options);
    },
    about: (id) => account.events.filter((it) => JSON.stringify(it.data).includes(`"${id}"`)),
    deliveries,
    async retryFailed() {
      const last = new Map(deliveries.map((it) => [`${it.event.id} ${it.endpoint.url}`, it]));
      const again: Delivery[] = [];
      for (const { event, endpoint } of [...last.values()].filter((it) => !isTaken(it))) {
        again.push(await send(event, endpoint, {}));
      }
      return again;
    },
    settled,
    sign,
    async stop() {
      stopped.abort();
      await settled();
    },
  };
}
