/** Refunds: https://docs.stripe.com/api/refunds and https://docs.stripe.com/refunds */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { invalidParameter, refusal } from './api-error.ts';
import type { Params } from './form-body.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import * as read from './parameters.ts';
import type { Route } from './route.ts';

const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'] as const;

function chargeToRefund(account: Account, params: Params): Stripe.Charge {
  const id = read.text(params, 'charge');
  if (id !== null) return find(account.charges, id, 'charge', 'charge');
  const intentId = read.requiredText(params, 'payment_intent');
  const intent = find(account.intents, intentId, 'payment_intent', 'payment_intent');
  const charge = account.charges.get((intent.latest_charge as string | null) ?? '');
  if (intent.status === 'succeeded' && charge !== undefined) return charge;
  const message = `This PaymentIntent (${intentId}) does not have a successful charge to refund.`;
  throw refusal('payment_intent_unexpected_state', message, { param: 'payment_intent' });
}

/** Adds to what the charge has given back, and says so. */
function addToCharge(account: Account, charge: Stripe.Charge, cents: number): void {
  const before = { amount_refunded: charge.amount_refunded, refunded: charge.refunded };
  charge.amount_refunded += cents;
  charge.refunded = charge.amount_refunded === charge.amount;
  if (before.refunded === charge.refunded) {
    account.emit('charge.refunded', charge, { amount_refunded: before.amount_refunded });
  } else account.emit('charge.refunded', charge, before);
}

export function createRefund(account: Account, params: Params): Stripe.Refund {
  const charge = chargeToRefund(account, params);
  const asked = read.integer(params, 'amount');
  const left = charge.amount - charge.amount_refunded;
  if (left === 0) {
    const message = `Charge ${charge.id} has already been refunded.`;
    throw refusal('charge_already_refunded', message);
  }
  const dispute = [...account.disputes.values()].find((it) => it.charge === charge.id);
  if (dispute !== undefined && !dispute.is_charge_refundable && dispute.status !== 'won') {
    const message = `Charge ${charge.id} has been charged back; cannot issue a refund.`;
    throw refusal('charge_disputed', message);
  }
  const amount = asked ?? left;
  if (amount < 1) {
    throw invalidParameter('amount', 'parameter_invalid_integer', 'Invalid positive integer');
  }
  if (amount > left) {
    const dollars = (cents: number) => `$${(cents / 100).toFixed(2)}`;
    const message = `Refund amount (${dollars(amount)}) is greater than unrefunded amount on charge (${dollars(left)})`;
    throw refusal('amount_too_large', message, { param: 'amount' });
  }
  const card = account.cards.get(charge.payment_method ?? '');
  const refund: Stripe.Refund = {
    id: account.newId('re'),
    object: 'refund',
    amount,
    balance_transaction: account.newId('txn'),
    charge: charge.id,
    created: account.nowSeconds(),
    currency: charge.currency,
    customer: charge.customer as string | null,
    customer_account: null,
    destination_details: {
      type: 'card',
      card: {
        reference_status: 'pending',
        reference_type: 'acquirer_reference_number',
        type: 'refund',
      },
    },
    metadata: read.metadata(params),
    payment_intent: charge.payment_intent as string,
    payment_method: charge.payment_method,
    reason: read.oneOf(params, 'reason', REASONS),
    receipt_number: null,
    source_transfer_reversal: null,
    status: card?.refund === 'pending' ? 'pending' : 'succeeded',
    transfer_reversal: null,
  };
  account.refunds.set(refund.id, refund);
  addToCharge(account, charge, amount);
  account.emit('refund.created', refund);
  return refund;
}

/** Both names of the same news, as Stripe sends them. */
function announce(account: Account, refund: Stripe.Refund, previous: object): void {
  account.emit('charge.refund.updated', refund, previous);
  account.emit('refund.updated', refund, previous);
}

export function succeedRefund(account: Account, id: string): Stripe.Refund {
  const refund = find(account.refunds, id, 'refund');
  if (refund.status !== 'pending') throw new Error(`${id} is ${refund.status}, not pending.`);
  refund.status = 'succeeded';
  announce(account, refund, { status: 'pending' });
  return refund;
}

/**
 * The bank sends the money back, be it pending or said to have succeeded. Whether the charge's
 * `amount_refunded` goes down again is not documented: `returnsToCharge` lets a test try both.
 */
export function failRefund(
  account: Account,
  id: string,
  { reason = 'unknown', returnsToCharge = false } = {},
): Stripe.Refund {
  const refund = find(account.refunds, id, 'refund');
  if (refund.status === 'failed') throw new Error(`${id} has failed already.`);
  const previous = { status: refund.status };
  refund.status = 'failed';
  refund.failure_reason = reason;
  refund.failure_balance_transaction = account.newId('txn');
  if (returnsToCharge) {
    const charge = account.charges.get(refund.charge as string)!;
    const before = { amount_refunded: charge.amount_refunded, refunded: charge.refunded };
    charge.amount_refunded -= refund.amount;
    charge.refunded = false;
    account.emit('charge.updated', charge, before);
  }
  announce(account, refund, previous);
  account.emit('refund.failed', refund, previous);
  return refund;
}

export const refundRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/refunds',
    takes: ['payment_intent', 'charge', 'amount', 'reason', 'metadata'],
    answer: ({ account, params }) => createRefund(account, params),
  },
  {
    method: 'GET',
    path: '/v1/refunds/:id',
    takes: [],
    answer: ({ account, id }) => find(account.refunds, id, 'refund'),
  },
  {
    method: 'GET',
    path: '/v1/refunds',
    takes: ['payment_intent', 'charge', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const [intent, charge] = [read.text(params, 'payment_intent'), read.text(params, 'charge')];
      const fits = (it: Stripe.Refund) =>
        (intent === null || it.payment_intent === intent) &&
        (charge === null || it.charge === charge);
      return page('/v1/refunds', account.refunds.values(), params, fits);
    },
  },
];
