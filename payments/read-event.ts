/** What an event of Stripe tells, and of which payment. */
import type Stripe from 'stripe';
import type { Fact } from './facts.ts';
import {
  idOf,
  readCharge,
  readCheckout,
  readDispute,
  readIntent,
  readRefund,
} from './read-object.ts';

const MS_PER_SECOND = 1_000;

export interface EventReading {
  /** of the metadata we gave; null: only the intent says whose it is */
  purchase: string | null;
  org: string | null;
  paymentIntent: string | null;
  checkoutSession: string | null;
  facts: Fact[];
}

/** null: it means nothing here: of another kind, or of something we did not begin. */
export function readEvent(event: Stripe.Event): EventReading | null {
  const at = event.created * MS_PER_SECOND;
  switch (event.type) {
    case 'payment_intent.created':
    case 'payment_intent.requires_action':
    case 'payment_intent.processing':
    case 'payment_intent.succeeded':
    case 'payment_intent.payment_failed':
    case 'payment_intent.canceled': {
      const intent = event.data.object;
      // Ours always has metadata: others would wait for ever.
      if (!intent.metadata?.purchase) return null;
      return reading(intent, intent.id, [readIntent(intent, at)]);
    }
    case 'checkout.session.completed':
    case 'checkout.session.async_payment_succeeded':
    case 'checkout.session.async_payment_failed':
    case 'checkout.session.expired': {
      const session = event.data.object;
      if (!session.metadata?.purchase) return null;
      const hasFailed = event.type === 'checkout.session.async_payment_failed';
      const fact = readCheckout(session, at, hasFailed);
      return reading(session, idOf(session.payment_intent), [fact], session.id);
    }
    case 'charge.refunded': {
      const charge = event.data.object;
      return reading(charge, idOf(charge.payment_intent), readCharge(charge));
    }
    case 'refund.created':
    case 'refund.updated':
    case 'refund.failed':
    case 'charge.refund.updated': {
      const refund = event.data.object;
      return reading(null, idOf(refund.payment_intent), [readRefund(refund)]);
    }
    case 'charge.dispute.created':
    case 'charge.dispute.updated':
    case 'charge.dispute.closed':
    case 'charge.dispute.funds_withdrawn':
    case 'charge.dispute.funds_reinstated': {
      const dispute = event.data.object;
      return reading(null, idOf(dispute.payment_intent), [readDispute(dispute)]);
    }
    default:
      return null;
  }
}

function reading(
  named: { metadata: Stripe.Metadata | null } | null,
  paymentIntent: string | null,
  found: (Fact | null)[],
  checkoutSession: string | null = null,
): EventReading | null {
  const { purchase = null, org = null } = named?.metadata ?? {};
  const facts = found.filter((fact) => fact !== null);
  if (facts.length === 0 || (purchase === null && paymentIntent === null)) return null;
  return { purchase, org, paymentIntent, checkoutSession, facts };
}
