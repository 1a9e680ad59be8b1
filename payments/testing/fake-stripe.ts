/**
 * Stripe on this machine, for tests and for trying by hand: the calls this product makes, and no
 * others, answered as Stripe documents them. README.md beside this says how a test uses it.
 */
import { randomInt } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type Stripe from 'stripe';
import { type Account, createAccount, find } from './account.ts';
import { type Asked, createApi } from './api.ts';
import { cardByAlias, type Decline, GENERIC_DECLINE } from './cards.ts';
import { chargeRoutes } from './charges.ts';
import { customerRoutes } from './customers.ts';
import {
  closeDispute,
  disputeRoutes,
  escalateInquiry,
  type NewDispute,
  openDispute,
  reviewDispute,
} from './disputes.ts';
import { eventRoutes } from './events.ts';
import { createFaults, type Faults } from './faults.ts';
import { attemptPayment, authenticatePayment, settlePayment } from './payment-attempt.ts';
import { paymentIntentRoutes } from './payment-intents.ts';
import { methodById, paymentMethodRoutes } from './payment-methods.ts';
import { failRefund, refundRoutes, succeedRefund } from './refunds.ts';
import { createWebhooks, type Webhooks } from './webhooks.ts';

const HOST = '127.0.0.1';
const BODY_BYTES = 1_000_000;
const SEEDS = 2 ** 31;

const ROUTES = [
  ...[...customerRoutes, ...paymentMethodRoutes, ...paymentIntentRoutes, ...chargeRoutes],
  ...[...refundRoutes, ...disputeRoutes, ...eventRoutes],
];

export interface FakeStripeOptions {
  /** any free one when none is given */
  port?: number;
  /** epoch ms */
  now?: () => number;
  /** Equal seeds make equal ids; a random one when none is given. */
  seed?: number;
  secretKey?: string;
  publishableKey?: string;
}

export interface FakeStripe {
  url: string;
  host: string;
  port: number;
  seed: number;
  secretKey: string;
  publishableKey: string;
  /** Everything it knows. */
  account: Account;
  /** Every call of the API, oldest first. */
  asked: readonly Asked[];
  faults: Faults;
  webhooks: Webhooks;
  /** Payments confirmed from now on stay `processing`, until settled one by one. */
  holdConfirmations(isHolding: boolean): void;
  settle(intentId: string, as: 'succeeded' | 'failed', decline?: Decline): Stripe.PaymentIntent;
  /** The person answers their bank. */
  authenticate(intentId: string, as: 'passed' | 'failed'): Stripe.PaymentIntent;
  /** What the page does: a new card (a test id) pays. A decline is in `last_payment_error`. */
  pay(intentId: string, card?: string): Stripe.PaymentIntent;
  succeedRefund(id: string): Stripe.Refund;
  failRefund(id: string, how?: { reason?: string; returnsToCharge?: boolean }): Stripe.Refund;
  /** @param of a charge or a payment intent */
  openDispute(of: string, how?: NewDispute): Stripe.Dispute;
  escalateInquiry(id: string): Stripe.Dispute;
  reviewDispute(id: string): Stripe.Dispute;
  closeDispute(id: string, as: 'won' | 'lost'): Stripe.Dispute;
  stop(): Promise<void>;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += (part as Buffer).length;
    if (bytes > BODY_BYTES) throw new Error(`A body of more than ${BODY_BYTES} bytes.`);
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** As Stripe's API has it: pages of any origin may call it, by key alone. */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, PUT, PATCH, POST, DELETE',
  'access-control-allow-headers': 'authorization, content-type, idempotency-key, stripe-version',
  'access-control-expose-headers': 'Request-Id, Stripe-Manage-Version, Stripe-Should-Retry',
  'access-control-max-age': '300',
};

export async function startFakeStripe(options: FakeStripeOptions = {}): Promise<FakeStripe> {
  const { port = 0, now = Date.now, seed = randomInt(SEEDS) } = options;
  const secretKey = options.secretKey ?? 'sk_test_fake';
  const publishableKey = options.publishableKey ?? 'pk_test_fake';
  const account = createAccount(seed, now);
  const faults = createFaults();
  const webhooks = createWebhooks(account);
  const api = createApi(account, ROUTES, faults, {
    secret: secretKey,
    publishable: publishableKey,
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET' } = request;
    if (method === 'OPTIONS') {
      response.writeHead(204, CORS).end();
      return;
    }
    const { pathname, search } = new URL(request.url ?? '/', account.baseUrl);
    const body = await readBody(request);
    const headers = request.headers as Record<string, string | undefined>;
    const answered = await api.answer({
      ...{ method, path: pathname, query: search.slice(1), headers, body },
    });
    if (answered === null) request.socket.destroy();
    else {
      response.writeHead(answered.status, { ...CORS, ...answered.headers }).end(answered.body);
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // The fake's own fault: say it, so that a test does not look for it elsewhere.
      const message = `The fake failed: ${error instanceof Error ? error.stack : String(error)}`;
      if (!response.headersSent) response.writeHead(500, { 'stripe-should-retry': 'false' });
      response.end(JSON.stringify({ error: { type: 'api_error', message } }));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, resolve);
  });
  const at = (server.address() as AddressInfo).port;
  account.baseUrl = `http://${HOST}:${at}`;
  const intentOf = (id: string) => find(account.intents, id, 'payment_intent');

  return {
    ...{ url: account.baseUrl, host: HOST, port: at, seed, secretKey, publishableKey },
    ...{ account, asked: api.asked, faults, webhooks },
    holdConfirmations(isHolding) {
      account.isHolding = isHolding;
    },
    settle(intentId, as, decline = GENERIC_DECLINE) {
      settlePayment(account, intentOf(intentId), as === 'succeeded' ? null : decline);
      return intentOf(intentId);
    },
    authenticate(intentId, as) {
      authenticatePayment(account, intentOf(intentId), as === 'passed');
      return intentOf(intentId);
    },
    pay(intentId, card = 'pm_card_visa') {
      if (cardByAlias(card) === undefined) throw new Error(`${card} is no test card.`);
      const intent = intentOf(intentId);
      if (!['requires_payment_method', 'requires_confirmation'].includes(intent.status)) {
        throw new Error(`${intentId} is ${intent.status}: it can't be paid.`);
      }
      const method = methodById(account, card);
      try {
        attemptPayment(account, intent, method, { isOffSession: false, returnUrl: null });
      } catch (error) {
        if (intent.last_payment_error === null) throw error;
      }
      return intent;
    },
    succeedRefund: (id) => succeedRefund(account, id),
    failRefund: (id, how) => failRefund(account, id, how),
    openDispute(of, how) {
      const id = of.startsWith('pi_') ? (intentOf(of).latest_charge as string) : of;
      return openDispute(account, find(account.charges, id, 'charge'), how);
    },
    escalateInquiry: (id) => escalateInquiry(account, id),
    reviewDispute: (id) => reviewDispute(account, id),
    closeDispute: (id, as) => closeDispute(account, id, as),
    async stop() {
      faults.stop();
      await webhooks.stop();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
