/** Disputes and inquiries: https://docs.stripe.com/disputes/how-disputes-work */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import { text } from './parameters.ts';
import type { Route } from './route.ts';

const RESPONSE_DAYS = 7;
const DAY_SECONDS = 86_400;
/** Stripe's fee for a dispute in dollars. */
const FEE_CENTS = 1_500;

export interface NewDispute {
  /** The whole charge when none is given. */
  amountCents?: number;
  reason?: string;
  /** A question of the bank, before any money moves. */
  isInquiry?: boolean;
}

const EVIDENCE: readonly (keyof Stripe.Dispute.Evidence)[] = [
  ...(['access_activity_log', 'billing_address', 'cancellation_policy'] as const),
  ...(['cancellation_policy_disclosure', 'cancellation_rebuttal'] as const),
  ...(['customer_communication', 'customer_email_address', 'customer_name'] as const),
  ...(['customer_purchase_ip', 'customer_signature', 'duplicate_charge_documentation'] as const),
  ...(['duplicate_charge_explanation', 'duplicate_charge_id', 'product_description'] as const),
  ...(['receipt', 'refund_policy', 'refund_policy_disclosure'] as const),
  ...(['refund_refusal_explanation', 'service_date', 'service_documentation'] as const),
  ...(['shipping_address', 'shipping_carrier', 'shipping_date'] as const),
  ...(['shipping_documentation', 'shipping_tracking_number'] as const),
  ...(['uncategorized_file', 'uncategorized_text'] as const),
];

function emptyEvidence(): Stripe.Dispute.Evidence {
  const fields = Object.fromEntries(EVIDENCE.map((field) => [field, null]));
  return { ...fields, enhanced_evidence: {} } as unknown as Stripe.Dispute.Evidence;
}

/** @param cents negative: taken from the account */
function moveMoney(account: Account, dispute: Stripe.Dispute, cents: number): void {
  const fee = cents < 0 ? FEE_CENTS : -FEE_CENTS;
  const isWithdrawal = cents < 0;
  const now = account.nowSeconds();
  dispute.balance_transactions.push({
    id: account.newId('txn'),
    object: 'balance_transaction',
    amount: cents,
    available_on: now,
    balance_type: 'payments',
    created: now,
    currency: dispute.currency,
    description: `Chargeback ${isWithdrawal ? 'withdrawal' : 'reversal'} for ${dispute.charge}`,
    exchange_rate: null,
    fee,
    fee_details: [
      {
        amount: fee,
        application: null,
        currency: dispute.currency,
        description: 'Dispute fee',
        type: 'stripe_fee',
      },
    ],
    net: cents - fee,
    reporting_category: isWithdrawal ? 'dispute' : 'dispute_reversal',
    source: dispute.id,
    status: 'available',
    type: 'adjustment',
  });
  account.emit(`charge.dispute.funds_${isWithdrawal ? 'withdrawn' : 'reinstated'}`, dispute);
}

/** Stripe has the money now; the charge can't be refunded any more. */
function withdraw(account: Account, dispute: Stripe.Dispute): void {
  dispute.is_charge_refundable = false;
  const charge = account.charges.get(dispute.charge as string)!;
  charge.disputed = true;
  moveMoney(account, dispute, -dispute.amount);
}

export function openDispute(
  account: Account,
  charge: Stripe.Charge,
  { amountCents = charge.amount, reason = 'fraudulent', isInquiry = false }: NewDispute = {},
): Stripe.Dispute {
  if (charge.status !== 'succeeded') {
    throw new Error(`${charge.id} is ${charge.status}: nobody can dispute it.`);
  }
  const now = account.nowSeconds();
  const dispute: Stripe.Dispute = {
    id: account.newId('du'),
    object: 'dispute',
    amount: amountCents,
    balance_transactions: [],
    charge: charge.id,
    created: now,
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: emptyEvidence(),
    evidence_details: {
      due_by: now + RESPONSE_DAYS * DAY_SECONDS,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: 'not_submitted',
    },
    intended_submission_method: null,
    is_charge_refundable: isInquiry,
    livemode: false,
    metadata: {},
    payment_intent: charge.payment_intent as string,
    payment_method_details: {
      type: 'card',
      card: {
        brand: 'visa',
        case_type: isInquiry ? 'inquiry' : 'chargeback',
        network: 'visa',
        network_reason_code: '10.4',
      },
    },
    reason,
    status: isInquiry ? 'warning_needs_response' : 'needs_response',
  };
  account.disputes.set(dispute.id, dispute);
  account.emit('charge.dispute.created', dispute);
  if (!isInquiry) withdraw(account, dispute);
  return dispute;
}

/** An inquiry nobody answered becomes a dispute: the same object, and the money goes. */
export function escalateInquiry(account: Account, id: string): Stripe.Dispute {
  const dispute = find(account.disputes, id, 'dispute');
  const { status } = dispute;
  if (!status.startsWith('warning_')) throw new Error(`${id} is ${status}: no open inquiry.`);
  dispute.status = 'needs_response';
  account.emit('charge.dispute.updated', dispute, { status });
  withdraw(account, dispute);
  return dispute;
}

/** Evidence was handed in. */
export function reviewDispute(account: Account, id: string): Stripe.Dispute {
  const dispute = find(account.disputes, id, 'dispute');
  const { status } = dispute;
  dispute.status = status.startsWith('warning_') ? 'warning_under_review' : 'under_review';
  dispute.evidence_details.has_evidence = true;
  dispute.evidence_details.submission_count += 1;
  account.emit('charge.dispute.updated', dispute, { status });
  return dispute;
}

/** An inquiry ends as `warning_closed`, whatever is said; a lost dispute may still be won later. */
export function closeDispute(account: Account, id: string, as: 'won' | 'lost'): Stripe.Dispute {
  const dispute = find(account.disputes, id, 'dispute');
  const { status } = dispute;
  if (status === 'won' || status === 'warning_closed' || status === as) {
    throw new Error(`${id} is ${status} already.`);
  }
  dispute.status = status.startsWith('warning_') ? 'warning_closed' : as;
  // Two events, no order promised between them: this is the one that is seen most.
  account.emit('charge.dispute.closed', dispute, { status });
  if (dispute.status === 'won') moveMoney(account, dispute, dispute.amount);
  return dispute;
}

export const disputeRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/disputes/:id',
    takes: [],
    answer: ({ account, id }) => find(account.disputes, id, 'dispute'),
  },
  {
    method: 'POST',
    path: '/v1/disputes/:id/close',
    takes: [],
    answer: ({ account, id }) => closeDispute(account, id, 'lost'),
  },
  {
    method: 'GET',
    path: '/v1/disputes',
    takes: ['payment_intent', 'charge', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const [intent, charge] = [text(params, 'payment_intent'), text(params, 'charge')];
      const fits = (it: Stripe.Dispute) =>
        (intent === null || it.payment_intent === intent) &&
        (charge === null || it.charge === charge);
      return page('/v1/disputes', account.disputes.values(), params, fits);
    },
  },
];
