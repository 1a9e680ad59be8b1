/** Payment methods: https://docs.stripe.com/api/payment_methods */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { ApiError, invalidParameter, refusal } from './api-error.ts';
import { cardByAlias, cardByNumber, type Decline, type TestCard } from './cards.ts';
import type { Params } from './form-body.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import { oneOf, requiredText, text } from './parameters.ts';
import type { Route } from './route.ts';

const EXPIRY_YEARS = 3;

function makeMethod(account: Account, card: TestCard): Stripe.PaymentMethod {
  const method: Stripe.PaymentMethod = {
    id: account.newId('pm'),
    object: 'payment_method',
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    card: {
      brand: card.brand,
      checks: {
        address_line1_check: null,
        address_postal_code_check: null,
        cvc_check: 'unchecked',
      },
      country: 'US',
      display_brand: card.brand,
      exp_month: 12,
      exp_year: new Date(account.nowMs()).getUTCFullYear() + EXPIRY_YEARS,
      fingerprint: `fake${card.number}`,
      funding: 'credit',
      generated_from: null,
      last4: card.number.slice(-4),
      networks: { available: [card.brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: account.nowSeconds(),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: 'card',
  };
  account.methods.set(method.id, method);
  account.cards.set(method.id, card);
  if (card.authentication === 'onSession') account.setUp.add(method.id);
  return method;
}

/** A saved one, or what a test id like `pm_card_visa` stands for. */
export function methodById(account: Account, id: string, param?: string): Stripe.PaymentMethod {
  const card = cardByAlias(id);
  if (card !== undefined) return makeMethod(account, card);
  return find(account.methods, id, 'PaymentMethod', param);
}

/** From `card[number]`, as a page sends it. */
export function methodFromCard(account: Account, params: Params, path: string) {
  const number = requiredText(params, `${path}.number`);
  const card = cardByNumber(number);
  if (card !== undefined) return makeMethod(account, card);
  // A test account takes test cards only.
  throw new ApiError(402, {
    type: 'card_error',
    code: 'incorrect_number',
    message: 'Your card number is incorrect.',
    param: 'number',
  });
}

/** What a call names by `payment_method` or `payment_method_data`; null: neither. */
export function methodOf(
  account: Account,
  params: Params,
  isPublic: boolean,
): Stripe.PaymentMethod | null {
  const id = text(params, 'payment_method');
  if (id !== null) return methodById(account, id, 'payment_method');
  if (oneOf(params, 'payment_method_data.type', ['card']) === null) return null;
  if (!isPublic) {
    const message =
      'Sending credit card numbers directly to the Stripe API is generally unsafe. Use test ids like pm_card_visa.';
    throw invalidParameter('payment_method_data', 'parameter_invalid', message);
  }
  return methodFromCard(account, params, 'payment_method_data.card');
}

export function cardOf(account: Account, method: Stripe.PaymentMethod): TestCard {
  return account.cards.get(method.id)!;
}

export function declineError(decline: Decline, more: Record<string, unknown> = {}): ApiError {
  const { code, declineCode, message } = decline;
  return new ApiError(402, {
    type: 'card_error',
    code,
    ...(declineCode === null ? {} : { decline_code: declineCode }),
    message,
    ...more,
  });
}

/** @throws ApiError 402 for a card that can't even be saved, 400 if it is another customer's */
export function attach(account: Account, method: Stripe.PaymentMethod, customer: string): void {
  if (method.customer === customer) return;
  if (method.customer !== null) {
    const message = 'The payment method you provided has already been attached to a customer.';
    throw refusal('payment_method_unexpected_state', message);
  }
  const { declinesAlways } = cardOf(account, method);
  if (declinesAlways !== undefined) throw declineError(declinesAlways);
  method.customer = customer;
  account.emit('payment_method.attached', method);
}

const routes: Route[] = [
  {
    method: 'POST',
    path: '/v1/payment_methods',
    takes: ['type', 'card', 'billing_details', 'metadata', 'client_secret'],
    isForPages: true,
    answer: ({ account, params }) => methodFromCard(account, params, 'card'),
  },
  {
    method: 'GET',
    path: '/v1/payment_methods/:id',
    takes: [],
    answer: ({ account, id }) => find(account.methods, id, 'PaymentMethod'),
  },
  {
    method: 'POST',
    path: '/v1/payment_methods/:id/attach',
    takes: ['customer'],
    answer({ account, id, params }) {
      const customer = requiredText(params, 'customer');
      find(account.customers, customer, 'customer', 'customer');
      const method = methodById(account, id);
      attach(account, method, customer);
      return method;
    },
  },
  {
    method: 'POST',
    path: '/v1/payment_methods/:id/detach',
    takes: [],
    answer({ account, id }) {
      const method = find(account.methods, id, 'PaymentMethod');
      const { customer } = method;
      if (customer === null) {
        throw refusal(
          'payment_method_unexpected_state',
          'The payment method you provided is not attached to a customer so detachment is impossible.',
        );
      }
      method.customer = null;
      account.setUp.delete(id);
      for (const { invoice_settings: settings } of account.customers.values()) {
        if (settings.default_payment_method === id) settings.default_payment_method = null;
      }
      account.emit('payment_method.detached', method, { customer });
      return method;
    },
  },
  {
    method: 'GET',
    path: '/v1/payment_methods',
    takes: ['customer', 'type', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const customer = requiredText(params, 'customer');
      const fits = (it: Stripe.PaymentMethod) => it.customer === customer;
      return page('/v1/payment_methods', account.methods.values(), params, fits);
    },
  },
];

export const paymentMethodRoutes: readonly Route[] = routes;
