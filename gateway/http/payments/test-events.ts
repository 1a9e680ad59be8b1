/** Events as Stripe writes and signs them, and purchases they are of, without asking Stripe. */
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { payments } from '../../../drizzle/schema/payments.ts';
import type { PaymentRow } from '../../../payments/payment-state.ts';
import type { PaymentSettings } from '../../../payments/settings.ts';
import type { Payments } from '../deps.ts';
import type { Answer, TestHttp } from '../test-http.ts';

export const SECRET = 'whsec_of-the-present';
export const OLD_SECRET = 'whsec_of-the-past';
export const WEBHOOK = '/v1/webhooks/stripe';

/** Nobody is asked there: no call of these tests may reach Stripe. */
export function testPayments(changes: Partial<PaymentSettings> = {}): Payments {
  const settings: PaymentSettings = {
    ...{ secretKey: 'sk_test_1', publishableKey: 'pk_test_1', livemode: false, apiUrl: null },
    ...{ webhookSecrets: [SECRET, OLD_SECRET], scriptUrl: 'https://js.stripe.com/stripe.js' },
    ...changes,
  };
  const stripe = new Stripe('sk_test_1', { host: '127.0.0.1', port: 9, protocol: 'http' });
  return { settings, stripe };
}

const stripe = new Stripe('sk_test_1');

export interface TestEvent {
  id: string;
  type: string;
  /** epoch seconds */
  created: number;
  livemode: boolean;
  data: { object: Record<string, unknown> };
  [more: string]: unknown;
}

export function eventOf(type: string, object: Record<string, unknown>, more = {}): TestEvent {
  const id = `evt_${randomUUID().replaceAll('-', '')}`;
  return {
    ...{ id, object: 'event', api_version: '2026-10-28.endive', created: 1_000 },
    ...{ livemode: false, pending_webhooks: 1, request: null, type, data: { object } },
    ...more,
  };
}

export interface Signing {
  secret?: string;
  /** when it was signed, wall clock, epoch ms */
  at: number;
}

export function signatureOf(body: string, { secret = SECRET, at }: Signing): string {
  const timestamp = Math.floor(at / 1_000);
  return stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp });
}

/** Sends it as Stripe does. */
export function deliver(
  http: TestHttp,
  event: TestEvent | string,
  signing: Partial<Signing> = {},
  call: TestHttp['call'] = http.call,
): Promise<Answer> {
  const body = typeof event === 'string' ? event : JSON.stringify(event, null, 2);
  const signature = signatureOf(body, { at: http.now(), ...signing });
  return call('POST', WEBHOOK, body, { as: null, headers: { 'stripe-signature': signature } });
}

/** A purchase that Stripe was asked about already. */
export async function madePurchase(
  http: TestHttp,
  changes: Partial<typeof payments.$inferInsert> = {},
): Promise<PaymentRow> {
  const id = randomUUID();
  const [row] = await http.db
    .insert(payments)
    .values({
      ...{ id, org: 'acme', kind: 'purchase', method: 'paymentIntent', package: 'minutes-60' },
      ...{ grantedMs: 3_600_000, amountCents: 999, currency: 'usd', livemode: false },
      ...{ startedAt: http.now(), paymentIntent: `pi_${id}` },
      ...changes,
    })
    .returning();
  return row!;
}

export function intentOf(row: PaymentRow, status: string, more = {}): Record<string, unknown> {
  return {
    ...{ id: row.paymentIntent ?? `pi_${row.id}`, object: 'payment_intent', status },
    ...{ amount: row.amountCents, amount_received: status === 'succeeded' ? row.amountCents : 0 },
    ...{ currency: row.currency, last_payment_error: null, cancellation_reason: null },
    ...{ client_secret: `pi_${row.id}_secret_of-the-browser` },
    metadata: { purchase: row.id, org: row.org },
    ...more,
  };
}
