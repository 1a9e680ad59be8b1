/** Hosted checkout sessions of one payment: https://docs.stripe.com/api/checkout/sessions */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { invalidParameter, refusal } from './api-error.ts';
import { expireSession, expireSessions } from './checkout-payment.ts';
import type { Params } from './form-body.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import { readUsage } from './new-intent.ts';
import * as read from './parameters.ts';
import type { Route } from './route.ts';

type Session = Stripe.Checkout.Session;

/** "anywhere from 30 minutes to 24 hours after Checkout Session creation" */
const SHORTEST_SECONDS = 1_800;
const LONGEST_SECONDS = 86_400;

function readTotal(params: Params): { cents: number; currency: string } {
  const items = read.list(params, 'line_items');
  if (items.length === 0) read.requiredText(params, 'line_items');
  let cents = 0;
  let currency: string | null = null;
  items.forEach((_, i) => {
    const price = `line_items.${i}.price_data`;
    read.requiredText(params, `${price}.product_data.name`);
    const quantity = read.integer(params, `line_items.${i}.quantity`) ?? 1;
    cents += read.requiredInteger(params, `${price}.unit_amount`) * quantity;
    currency ??= read.requiredText(params, `${price}.currency`).toLowerCase();
  });
  return { cents, currency: currency! };
}

function readExpiry(account: Account, params: Params): number {
  const now = account.nowSeconds();
  const at = read.integer(params, 'expires_at') ?? now + LONGEST_SECONDS;
  if (at >= now + SHORTEST_SECONDS && at <= now + LONGEST_SECONDS) return at;
  const message =
    'The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.';
  throw invalidParameter('expires_at', 'parameter_invalid', message);
}

function create(account: Account, params: Params): Session {
  if (read.requiredText(params, 'mode') !== 'payment') {
    const message = 'This fake knows the mode payment only.';
    throw invalidParameter('mode', 'parameter_invalid_enum', message);
  }
  const { cents, currency } = readTotal(params);
  const customer = read.text(params, 'customer');
  if (customer !== null) find(account.customers, customer, 'customer', 'customer');
  const types = read.list(params, 'payment_method_types').map(String);
  const locale = read.text(params, 'locale') as Stripe.Checkout.Session.Locale | null;
  const id = account.newId('cs_test');
  const session: Session = {
    id,
    object: 'checkout.session',
    adaptive_pricing: { enabled: false },
    after_expiration: null,
    allow_promotion_codes: null,
    allowed_payment_method_types: null,
    amount_subtotal: cents,
    amount_total: cents,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: null,
    cancel_url: read.text(params, 'cancel_url'),
    client_reference_id: read.text(params, 'client_reference_id'),
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: account.nowSeconds(),
    currency,
    currency_conversion: null,
    custom_fields: [],
    custom_text: {
      after_submit: null,
      shipping_address: null,
      submit: null,
      terms_of_service_acceptance: null,
    },
    customer,
    customer_account: null,
    customer_creation: customer === null ? 'if_required' : null,
    customer_details: null,
    customer_email: read.text(params, 'customer_email'),
    discounts: [],
    expires_at: readExpiry(account, params),
    integration_identifier: null,
    invoice: null,
    invoice_creation: null,
    livemode: false,
    locale,
    managed_payments: null,
    metadata: read.metadata(params),
    mode: 'payment',
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: 'if_required',
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: types.length > 0 ? types : ['card'],
    payment_status: 'unpaid',
    permissions: null,
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    submit_type: null,
    subscription: null,
    success_url: read.requiredText(params, 'success_url'),
    total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
    ui_mode: 'hosted_page',
    url: `${account.baseUrl}/c/pay/${id}`,
    wallet_options: null,
  };
  account.sessions.set(id, session);
  account.sessionPayments.set(id, {
    metadata: read.metadata(params, {}, 'payment_intent_data.metadata'),
    setupFutureUsage: readUsage(params, 'payment_intent_data.setup_future_usage'),
    description: read.text(params, 'payment_intent_data.description'),
    receiptEmail: read.text(params, 'payment_intent_data.receipt_email'),
  });
  return session;
}

export const checkoutRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/checkout/sessions',
    takes: [
      ...['mode', 'line_items', 'success_url', 'cancel_url', 'customer', 'customer_email'],
      ...['client_reference_id', 'metadata', 'payment_intent_data', 'payment_method_types'],
      ...['expires_at', 'locale', 'ui_mode', 'currency', 'submit_type', 'customer_creation'],
    ],
    answer: ({ account, params }) => create(account, params),
  },
  {
    method: 'GET',
    path: '/v1/checkout/sessions/:id',
    takes: [],
    answer({ account, id }) {
      expireSessions(account);
      return find(account.sessions, id, 'checkout.session');
    },
  },
  {
    method: 'POST',
    path: '/v1/checkout/sessions/:id/expire',
    takes: [],
    answer({ account, id }) {
      const session = find(account.sessions, id, 'checkout.session');
      expireSessions(account);
      if (session.status !== 'open') {
        const message = `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`;
        throw refusal('resource_invalid_state', message);
      }
      expireSession(account, session);
      return session;
    },
  },
  {
    method: 'GET',
    path: '/v1/checkout/sessions',
    takes: ['payment_intent', 'customer', 'status', ...LIST_PARAMETERS],
    answer({ account, params }) {
      expireSessions(account);
      const intent = read.text(params, 'payment_intent');
      const customer = read.text(params, 'customer');
      const status = read.text(params, 'status');
      const fits = (it: Session) =>
        (intent === null || it.payment_intent === intent) &&
        (customer === null || it.customer === customer) &&
        (status === null || it.status === status);
      return page('/v1/checkout/sessions', account.sessions.values(), params, fits);
    },
  },
];
