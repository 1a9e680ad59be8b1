/**
 * What becomes of a confirmed payment: https://docs.stripe.com/payments/paymentintents/lifecycle
 *
 * requires_payment_method -> (requires_action) -> (processing) -> succeeded, and back to
 * requires_payment_method when it fails. The events come in the order in which Stripe makes them;
 * that they arrive in it, Stripe does not promise.
 */
import type Stripe from 'stripe';
import type { Account } from './account.ts';
import {
  AUTHENTICATION_FAILED,
  AUTHENTICATION_REQUIRED,
  type Decline,
  needsAuthentication,
} from './cards.ts';
import { createCharge, endCharge } from './charges.ts';
import { openDispute } from './disputes.ts';
import { attach, cardOf, declineError } from './payment-methods.ts';

export interface Attempt {
  /** The person is away: whatever would need them is a decline. */
  isOffSession: boolean;
  /** Where a page of the bank sends them back; null: Stripe.js asks them in the page. */
  returnUrl: string | null;
}

const methodIn = (account: Account, intent: Stripe.PaymentIntent) =>
  account.methods.get(intent.payment_method as string)!;

function saveMethod(account: Account, intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod) {
  if (intent.setup_future_usage === null) return;
  if (typeof intent.customer === 'string') attach(account, method, intent.customer);
  if (intent.setup_future_usage === 'off_session') account.setUp.add(method.id);
}

function succeed(account: Account, intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod) {
  saveMethod(account, intent, method);
  const pending = account.charges.get((intent.latest_charge as string | null) ?? '');
  let charge = pending;
  if (charge?.status === 'pending') endCharge(account, charge, null);
  else charge = createCharge(account, intent, method, 'succeeded');
  intent.status = 'succeeded';
  intent.amount_received = intent.amount;
  intent.next_action = null;
  intent.processing = null;
  account.emit('charge.succeeded', charge);
  account.emit('payment_intent.succeeded', intent);
  for (const hear of account.onIntent) hear({ intent, to: 'succeeded' });
  const { dispute } = cardOf(account, method);
  if (dispute !== undefined) openDispute(account, charge, { isInquiry: dispute === 'inquiry' });
}

/** @returns the answer a call would get */
function fail(
  account: Account,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  decline: Decline,
) {
  const last = account.charges.get((intent.latest_charge as string | null) ?? '');
  let charge: Stripe.Charge | null = null;
  if (last?.status === 'pending') {
    charge = last;
    endCharge(account, charge, decline);
    // Whoever did not authenticate was never charged.
  } else if (decline !== AUTHENTICATION_FAILED) {
    charge = createCharge(account, intent, method, 'failed', decline);
  }
  intent.status = 'requires_payment_method';
  intent.next_action = null;
  intent.processing = null;
  intent.payment_method = null;
  const error = declineError(decline, {
    ...(charge === null ? {} : { charge: charge.id, advice_code: 'try_again_later' }),
    payment_method: structuredClone(method),
  });
  intent.last_payment_error = error.body as unknown as Stripe.PaymentIntent.LastPaymentError;
  if (charge !== null) account.emit('charge.failed', charge);
  account.emit('payment_intent.payment_failed', intent);
  for (const hear of account.onIntent) hear({ intent, to: 'failed' });
  return declineError(decline, { ...error.body, payment_intent: structuredClone(intent) });
}

function requireAction(account: Account, intent: Stripe.PaymentIntent, returnUrl: string | null) {
  intent.status = 'requires_action';
  const address = `${account.baseUrl}/authenticate/${intent.id}`;
  intent.next_action =
    returnUrl === null
      ? { type: 'use_stripe_sdk', use_stripe_sdk: { type: 'three_d_secure_redirect' } }
      : { type: 'redirect_to_url', redirect_to_url: { url: address, return_url: returnUrl } };
  account.emit('payment_intent.requires_action', intent);
}

/** Asks the bank, or says that it is still being asked. */
function charge(account: Account, intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod) {
  const card = cardOf(account, method);
  const decline = card.declinesAlways ?? card.declinesCharge;
  if (decline !== undefined) return fail(account, intent, method, decline);
  if (!account.isHolding) {
    succeed(account, intent, method);
    return null;
  }
  intent.status = 'processing';
  intent.next_action = null;
  intent.processing = { type: 'card', card: {} };
  const pending = createCharge(account, intent, method, 'pending');
  account.emit('charge.pending', pending);
  account.emit('payment_intent.processing', intent);
  for (const hear of account.onIntent) hear({ intent, to: 'processing' });
  return null;
}

/** @throws ApiError 402 with the payment in it, when it is declined */
export function attemptPayment(
  account: Account,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  { isOffSession, returnUrl }: Attempt,
): void {
  intent.payment_method = method.id;
  intent.last_payment_error = null;
  const isSetUp = account.setUp.has(method.id);
  if (needsAuthentication(cardOf(account, method), isSetUp, isOffSession)) {
    if (isOffSession) throw fail(account, intent, method, AUTHENTICATION_REQUIRED);
    requireAction(account, intent, returnUrl);
    return;
  }
  const error = charge(account, intent, method);
  if (error !== null) throw error;
}

/** The person has told their bank yes or no. */
export function authenticatePayment(
  account: Account,
  intent: Stripe.PaymentIntent,
  isPassed: boolean,
): void {
  if (intent.status !== 'requires_action') {
    throw new Error(`${intent.id} is ${intent.status}: nobody is asked to authenticate it.`);
  }
  const method = methodIn(account, intent);
  if (isPassed) charge(account, intent, method);
  else fail(account, intent, method, AUTHENTICATION_FAILED);
}

/** A payment that was `processing` has its end. @param decline null: it succeeds */
export function settlePayment(
  account: Account,
  intent: Stripe.PaymentIntent,
  decline: Decline | null,
): void {
  if (intent.status !== 'processing') {
    throw new Error(`${intent.id} is ${intent.status}: only a processing payment can be settled.`);
  }
  const method = methodIn(account, intent);
  if (decline === null) succeed(account, intent, method);
  else fail(account, intent, method, decline);
}
