/** A payment intent as it begins, and as a page sees it. */
import type Stripe from 'stripe';
import type { Account } from './account.ts';
import { invalidParameter } from './api-error.ts';
import type { Params } from './form-body.ts';
import * as read from './parameters.ts';

/** For dollars and euros: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts */
const MINIMUM_CENTS = 50;
const MAXIMUM_CENTS = 99_999_999;

export interface NewIntent {
  amount: number;
  currency: string;
  customer?: string | null;
  metadata?: Record<string, string>;
  description?: string | null;
  receiptEmail?: string | null;
  setupFutureUsage?: Stripe.PaymentIntent.SetupFutureUsage | null;
  /** null: those of the dashboard */
  methodTypes?: string[] | null;
  allowsRedirects?: boolean;
}

export function createIntent(account: Account, of: NewIntent): Stripe.PaymentIntent {
  const id = account.newId('pi');
  const types = of.methodTypes ?? null;
  const redirects = of.allowsRedirects === false ? 'never' : 'always';
  const intent: Stripe.PaymentIntent = {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: of.amount,
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods:
      types === null ? { allow_redirects: redirects, enabled: true } : null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic_async',
    client_secret: `${id}_${account.newId('secret')}`,
    confirmation_method: 'automatic',
    created: account.nowSeconds(),
    currency: of.currency,
    customer: of.customer ?? null,
    customer_account: null,
    description: of.description ?? null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata: of.metadata ?? {},
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: null,
    payment_method_types: types ?? ['card'],
    payment_record: null,
    processing: null,
    receipt_email: of.receiptEmail ?? null,
    review: null,
    setup_future_usage: of.setupFutureUsage ?? null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
  };
  account.intents.set(id, intent);
  account.emit('payment_intent.created', intent);
  return intent;
}

export function readAmount(params: Params): number {
  const cents = read.requiredInteger(params, 'amount');
  if (cents < 1) {
    throw invalidParameter('amount', 'parameter_invalid_integer', `Invalid positive integer`);
  }
  if (cents < MINIMUM_CENTS) {
    const message = 'Amount must be at least $0.50 usd';
    throw invalidParameter('amount', 'amount_too_small', message);
  }
  if (cents > MAXIMUM_CENTS) {
    throw invalidParameter('amount', 'amount_too_large', 'Amount must be no more than $999,999.99');
  }
  return cents;
}

export function readCurrency(params: Params): string {
  const currency = read.requiredText(params, 'currency').toLowerCase();
  if (/^[a-z]{3}$/.test(currency)) return currency;
  const message = `Invalid currency: ${currency}`;
  throw invalidParameter('currency', 'parameter_invalid_string', message);
}

export function readUsage(params: Params, path = 'setup_future_usage') {
  return read.oneOf(params, path, ['off_session', 'on_session'] as const);
}

/** What a page may see of its payment: no customer, no metadata, no charge. */
export function pageView(intent: Stripe.PaymentIntent): object {
  const hidden = ['customer', 'metadata', 'latest_charge', 'amount_received', 'application'];
  const shown = Object.entries(intent).filter(([field]) => !hidden.includes(field));
  return structuredClone(Object.fromEntries(shown));
}
