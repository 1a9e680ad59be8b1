/** Invoices, as far as their events tell of them: a subscription's payment failed, or came. */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import type { Route } from './route.ts';

const MONTH_SECONDS = 30 * 86_400;
/** When Stripe tries a failed one again. */
const NEXT_ATTEMPT_SECONDS = 3 * 86_400;

export interface InvoiceNews {
  customer: string;
  amountCents?: number;
  currency?: string;
  attempts?: number;
  subscription?: string;
  /** An invoice told of before: the same one, paid after it failed. */
  invoice?: string;
}

/**
 * Says `invoice.paid` or `invoice.payment_failed`; nothing is charged. Holds the fields a receiver
 * of these events reads, not all of an invoice's.
 * @returns the invoice's id
 */
export function tellOfInvoice(account: Account, as: 'paid' | 'payment_failed', of: InvoiceNews) {
  const customer = find(account.customers, of.customer, 'customer');
  const { amountCents = 2_900, currency = 'usd', attempts = 1 } = of;
  const now = account.nowSeconds();
  const isPaid = as === 'paid';
  const id = of.invoice ?? account.newId('in');
  const invoice = {
    id,
    object: 'invoice',
    amount_due: amountCents,
    amount_overpaid: 0,
    amount_paid: isPaid ? amountCents : 0,
    amount_remaining: isPaid ? 0 : amountCents,
    amount_shipping: 0,
    attempt_count: attempts,
    attempted: true,
    auto_advance: !isPaid,
    billing_reason: 'subscription_cycle',
    collection_method: 'charge_automatically',
    created: now,
    currency,
    customer: customer.id,
    customer_email: customer.email,
    customer_name: customer.name ?? null,
    default_payment_method: null,
    description: null,
    due_date: null,
    ending_balance: 0,
    livemode: false,
    metadata: {},
    next_payment_attempt: isPaid ? null : now + NEXT_ATTEMPT_SECONDS,
    number: 'FAKE-0001',
    // Where the subscription stands since 2025-03-31.
    parent: {
      quote_details: null,
      subscription_details: {
        metadata: {},
        subscription: of.subscription ?? account.newId('sub'),
      },
      type: 'subscription_details',
    },
    period_end: now,
    period_start: now - MONTH_SECONDS,
    starting_balance: 0,
    status: isPaid ? 'paid' : 'open',
    status_transitions: {
      finalized_at: now,
      marked_uncollectible_at: null,
      paid_at: isPaid ? now : null,
      voided_at: null,
    },
    subtotal: amountCents,
    total: amountCents,
  };
  account.invoices.set(id, invoice);
  const type: Stripe.Event['type'] = isPaid ? 'invoice.paid' : 'invoice.payment_failed';
  account.emit(type, invoice);
  return id;
}

export const invoiceRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/invoices/:id',
    takes: [],
    answer: ({ account, id }) => find(account.invoices, id, 'invoice'),
  },
];
