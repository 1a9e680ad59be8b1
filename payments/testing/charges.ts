/** Charges: what a payment's attempt left: https://docs.stripe.com/api/charges */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import type { Decline } from './cards.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import { text } from './parameters.ts';
import type { Route } from './route.ts';

function outcomeOf(status: Stripe.Charge.Status, decline: Decline | null): Stripe.Charge.Outcome {
  const isDeclined = decline !== null;
  return {
    advice_code: isDeclined ? 'try_again_later' : null,
    network_advice_code: null,
    network_decline_code: isDeclined ? '01' : null,
    network_status: isDeclined ? 'declined_by_network' : 'approved_by_network',
    reason: decline?.declineCode ?? null,
    risk_level: 'normal',
    risk_score: 20,
    seller_message: isDeclined
      ? 'The bank did not return any further details with this decline.'
      : 'Payment complete.',
    type: status === 'failed' ? 'issuer_declined' : 'authorized',
  };
}

export function createCharge(
  account: Account,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  status: 'succeeded' | 'failed' | 'pending',
  decline: Decline | null = null,
): Stripe.Charge {
  const card = method.card!;
  const charge: Stripe.Charge = {
    id: account.newId('ch'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: status === 'succeeded' ? intent.amount : 0,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: status === 'succeeded' ? account.newId('txn') : null,
    billing_details: structuredClone(method.billing_details),
    calculated_statement_descriptor: 'FAKE',
    captured: status === 'succeeded',
    created: account.nowSeconds(),
    currency: intent.currency,
    customer: intent.customer as string | null,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: decline?.code ?? null,
    failure_message: decline?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: structuredClone(intent.metadata),
    on_behalf_of: null,
    outcome: outcomeOf(status, decline),
    paid: status === 'succeeded',
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: {
      type: 'card',
      card: {
        amount_authorized: status === 'succeeded' ? intent.amount : null,
        authorization_code: null,
        brand: card.brand,
        checks: card.checks,
        country: card.country,
        electronic_commerce_indicator: null,
        exp_month: card.exp_month,
        exp_year: card.exp_year,
        fingerprint: card.fingerprint ?? null,
        funding: card.funding,
        installments: null,
        last4: card.last4,
        mandate: null,
        network: card.brand,
        network_transaction_id: null,
        regulated_status: card.regulated_status,
        three_d_secure: null,
        transaction_link_id: null,
        wallet: null,
      },
    },
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: null,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status,
    transfer_data: null,
    transfer_group: null,
  };
  if (status !== 'failed') charge.receipt_url = `${account.baseUrl}/receipts/${charge.id}`;
  account.charges.set(charge.id, charge);
  intent.latest_charge = charge.id;
  return charge;
}

/** A pending one has its end. */
export function endCharge(account: Account, charge: Stripe.Charge, decline: Decline | null): void {
  charge.status = decline === null ? 'succeeded' : 'failed';
  charge.paid = decline === null;
  charge.captured = decline === null;
  charge.amount_captured = decline === null ? charge.amount : 0;
  charge.balance_transaction = decline === null ? account.newId('txn') : null;
  charge.failure_code = decline?.code ?? null;
  charge.failure_message = decline?.message ?? null;
  charge.outcome = outcomeOf(charge.status, decline);
}

export const chargeRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/charges/:id',
    takes: [],
    answer: ({ account, id }) => find(account.charges, id, 'charge'),
  },
  {
    method: 'GET',
    path: '/v1/charges',
    takes: ['customer', 'payment_intent', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const [customer, intent] = [text(params, 'customer'), text(params, 'payment_intent')];
      const fits = (it: Stripe.Charge) =>
        (customer === null || it.customer === customer) &&
        (intent === null || it.payment_intent === intent);
      return page('/v1/charges', account.charges.values(), params, fits);
    },
  },
];
