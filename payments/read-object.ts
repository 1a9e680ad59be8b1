/** Stripe's objects as facts. null: a state that means nothing here, or one that is not known yet. */
import type Stripe from 'stripe';
import type {
  ChargeFact,
  DisputeFact,
  Fact,
  PaymentStatus,
  RefundFact,
  StatusFact,
} from './facts.ts';

/** What every object of ours has in its metadata, so that it is found whatever was lost. */
export interface PaymentMetadata {
  purchase: string;
  org: string;
}

/** Of an object that is given in full or by its id. */
export function idOf(reference: string | { id: string } | null | undefined): string | null {
  return typeof reference === 'string' ? reference : (reference?.id ?? null);
}

/** @param at epoch ms by Stripe's clock, at which it stood so */
export function readIntent(intent: Stripe.PaymentIntent, at: number): StatusFact | null {
  const status = statusOfIntent(intent);
  if (status === null) return null;
  const failure = status === 'failed' || status === 'canceled' ? failureOf(intent) : null;
  const { amount_received: cents, currency } = intent;
  return { kind: 'status', status, at, failure, cents, currency };
}

function statusOfIntent(intent: Stripe.PaymentIntent): PaymentStatus | null {
  switch (intent.status) {
    case 'requires_payment_method':
      // Back here after an attempt that failed; another may follow.
      return intent.last_payment_error === null ? 'open' : 'failed';
    case 'requires_confirmation':
      return 'open';
    case 'requires_action':
      return 'requiresAction';
    case 'processing':
    case 'requires_capture':
      return 'processing';
    case 'succeeded':
      return 'paid';
    case 'canceled':
      return 'canceled';
    default:
      return null;
  }
}

function failureOf({
  last_payment_error: error,
  cancellation_reason: reason,
}: Stripe.PaymentIntent) {
  if (error !== null) {
    const code = error.decline_code ?? error.code ?? error.type;
    return { code, message: error.message ?? 'The payment failed.' };
  }
  return reason === null ? null : { code: reason, message: 'The payment was canceled.' };
}

/** `status` of a session says whether it is done with, `payment_status` whether money came. */
export function readCheckout(
  session: Stripe.Checkout.Session,
  at: number,
  hasFailed = false,
): StatusFact | null {
  const status = hasFailed ? 'failed' : statusOfCheckout(session);
  if (status === null) return null;
  const failure = hasFailed
    ? { code: 'async_payment_failed', message: 'The payment failed after it was begun.' }
    : null;
  const { amount_total: total, currency } = session;
  return { kind: 'status', status, at, failure, cents: total ?? 0, currency: currency ?? '' };
}

function statusOfCheckout(session: Stripe.Checkout.Session): PaymentStatus | null {
  if (session.payment_status === 'paid') return 'paid';
  switch (session.status) {
    case 'open':
      return 'open';
    case 'complete':
      return 'processing';
    case 'expired':
      return 'canceled';
    default:
      return null;
  }
}

/** With refunds that stand in it, which not every version of the API sends along. */
export function readCharge(charge: Stripe.Charge): Fact[] {
  const all: ChargeFact = { kind: 'charge', refundedCents: charge.amount_refunded };
  const each = (charge.refunds?.data ?? []).map(readRefund);
  return [all, ...each.filter((fact) => fact !== null)];
}

const REFUND_STATUS: Readonly<Record<string, RefundFact['status']>> = {
  pending: 'pending',
  requires_action: 'requiresAction',
  succeeded: 'succeeded',
  failed: 'failed',
  canceled: 'canceled',
};

export function readRefund({ id, amount: cents, status }: Stripe.Refund): RefundFact | null {
  const known = REFUND_STATUS[status ?? 'pending'];
  return known === undefined ? null : { kind: 'refund', id, cents, status: known };
}

const DISPUTE_STATUS: Readonly<Record<string, DisputeFact['status']>> = {
  warning_needs_response: 'inquiry',
  warning_under_review: 'inquiry',
  warning_closed: 'inquiryClosed',
  needs_response: 'open',
  under_review: 'open',
  lost: 'lost',
  // The money is gone until the appeal is won.
  appeal_needs_response: 'lost',
  appeal_under_review: 'lost',
  won: 'won',
};

export function readDispute(dispute: Stripe.Dispute): DisputeFact | null {
  const status =
    dispute.status === 'prevented' ? preventedAs(dispute) : DISPUTE_STATUS[dispute.status];
  if (status === undefined) return null;
  const { id, amount: cents, currency, reason } = dispute;
  return { kind: 'dispute', id, cents, currency, status, reason };
}

/** Settled with the bank before it became a dispute: by giving the money back, or without. */
function preventedAs({ balance_transactions: moved }: Stripe.Dispute): DisputeFact['status'] {
  const sum = (moved ?? []).reduce((total, { amount }) => total + amount, 0);
  return sum < 0 ? 'lost' : 'inquiryClosed';
}
