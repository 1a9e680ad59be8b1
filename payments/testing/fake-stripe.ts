/**
 * Stripe on this machine, for tests and for trying by hand: the calls this product makes, and no
 * others, answered as Stripe documents them. README.md beside this says how a test uses it.
 */
import { randomInt } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type Stripe from 'stripe';
import type { Notification } from '../notification.ts';
import { connectStripe } from '../stripe.ts';
import { type Account, createAccount, find } from './account.ts';
import { type Asked, createApi } from './api.ts';
import { cardByAlias, type Decline, GENERIC_DECLINE } from './cards.ts';
import { chargeRoutes } from './charges.ts';
import { expireSessions, payWith, watchPayments } from './checkout-payment.ts';
import { checkoutRoutes } from './checkout-sessions.ts';
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
import { type InvoiceNews, invoiceRoutes, tellOfInvoice } from './invoices.ts';
import { meterEventRoutes } from './meter-events.ts';
import { notificationRoutes, tellOfMeterTroubles } from './meter-troubles.ts';
import { createMeter, meteredSum, meterRoutes, type NewMeter } from './meters.ts';
import { attemptPayment, authenticatePayment, settlePayment } from './payment-attempt.ts';
import { paymentIntentRoutes } from './payment-intents.ts';
import { methodById, paymentMethodRoutes } from './payment-methods.ts';
import { failRefund, refundRoutes, succeedRefund } from './refunds.ts';
import { createFakeServer } from './server.ts';
import { authenticateSetup, setupIntentRoutes } from './setup-intents.ts';
import { createWebhooks, type Webhooks } from './webhooks.ts';

const HOST = '127.0.0.1';
const SEEDS = 2 ** 31;

const ROUTES = [
  ...[...customerRoutes, ...paymentMethodRoutes, ...paymentIntentRoutes, ...chargeRoutes],
  ...[...refundRoutes, ...disputeRoutes, ...eventRoutes, ...setupIntentRoutes],
  ...[...checkoutRoutes, ...meterEventRoutes, ...meterRoutes, ...notificationRoutes],
  ...invoiceRoutes,
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
  /** Stripe's own library, as this product asks it, with its secret key. */
  stripe: Stripe;
  /** Everything it knows. */
  account: Account;
  /** Every call of the API, oldest first. */
  asked: readonly Asked[];
  faults: Faults;
  webhooks: Webhooks;
  /** Payments confirmed from now on stay `processing`, until settled one by one. */
  holdConfirmations(isHolding: boolean): void;
  settle(intentId: string, as: 'succeeded' | 'failed', decline?: Decline): Stripe.PaymentIntent;
  /** The person answers their bank, about a payment or a card to be saved. */
  authenticate(intentId: string, as: 'passed' | 'failed'): void;
  /** What the page does: a new card (a test id) pays. A decline is in `last_payment_error`. */
  pay(intentId: string, card?: string): Stripe.PaymentIntent;
  /** The person pays on the hosted page. @throws ApiError 402 when the card is declined */
  payCheckout(sessionId: string, card?: string): Stripe.Checkout.Session;
  /** Expires those whose time is over: any question about sessions does it too. */
  expireCheckouts(): void;
  succeedRefund(id: string): Stripe.Refund;
  failRefund(id: string, how?: { reason?: string; returnsToCharge?: boolean }): Stripe.Refund;
  /** @param of a charge or a payment intent */
  openDispute(of: string, how?: NewDispute): Stripe.Dispute;
  escalateInquiry(id: string): Stripe.Dispute;
  reviewDispute(id: string): Stripe.Dispute;
  closeDispute(id: string, as: 'won' | 'lost'): Stripe.Dispute;
  /** Tells of a subscription's invoice; returns the invoice's id. */
  tellOfInvoice(as: 'paid' | 'payment_failed', of: InvoiceNews): string;
  createMeter(meter: NewMeter): Stripe.Billing.Meter;
  /** The event that says that some of what was told to meters can't be used. */
  tellOfMeterTroubles(): Notification;
  /** What a customer would be billed for. */
  metered(eventName: string, customer: string): number;
  stop(): Promise<void>;
}

export async function startFakeStripe(options: FakeStripeOptions = {}): Promise<FakeStripe> {
  const { port = 0, now = Date.now, seed = randomInt(SEEDS) } = options;
  const secretKey = options.secretKey ?? 'sk_test_fake';
  const publishableKey = options.publishableKey ?? 'pk_test_fake';
  const account = createAccount(seed, now);
  watchPayments(account);
  const faults = createFaults();
  const webhooks = createWebhooks(account);
  const api = createApi(account, ROUTES, faults, {
    secret: secretKey,
    publishable: publishableKey,
  });

  const server = createFakeServer(account, api);
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
    stripe: connectStripe({ secretKey, apiUrl: account.baseUrl }),
    holdConfirmations(isHolding) {
      account.isHolding = isHolding;
    },
    settle(intentId, as, decline = GENERIC_DECLINE) {
      settlePayment(account, intentOf(intentId), as === 'succeeded' ? null : decline);
      return intentOf(intentId);
    },
    authenticate(intentId, as) {
      if (intentId.startsWith('seti_')) authenticateSetup(account, intentId, as === 'passed');
      else authenticatePayment(account, intentOf(intentId), as === 'passed');
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
    payCheckout(sessionId, card = 'pm_card_visa') {
      const session = find(account.sessions, sessionId, 'checkout.session');
      payWith(account, session, methodById(account, card));
      return session;
    },
    expireCheckouts: () => expireSessions(account),
    succeedRefund: (id) => succeedRefund(account, id),
    failRefund: (id, how) => failRefund(account, id, how),
    openDispute(of, how) {
      const id = of.startsWith('pi_') ? (intentOf(of).latest_charge as string) : of;
      return openDispute(account, find(account.charges, id, 'charge'), how);
    },
    escalateInquiry: (id) => escalateInquiry(account, id),
    reviewDispute: (id) => reviewDispute(account, id),
    closeDispute: (id, as) => closeDispute(account, id, as),
    tellOfInvoice: (as, of) => tellOfInvoice(account, as, of),
    createMeter: (meter) => createMeter(account, meter),
    tellOfMeterTroubles: () => tellOfMeterTroubles(account),
    metered: (eventName, customer) => meteredSum(account, eventName, customer),
    async stop() {
      faults.stop();
      await webhooks.stop();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
