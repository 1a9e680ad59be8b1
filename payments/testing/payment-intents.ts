/** Payment intents: https://docs.stripe.com/api/payment_intents */
import type Stripe from 'stripe';
import { find } from './account.ts';
import { invalidParameter, refusal } from './api-error.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import { createIntent, pageView, readAmount, readCurrency, readUsage } from './new-intent.ts';
import * as read from './parameters.ts';
import { attemptPayment } from './payment-attempt.ts';
import { methodOf } from './payment-methods.ts';
import type { Call, Route } from './route.ts';

const CANCELABLE = ['requires_payment_method', 'requires_confirmation', 'requires_action'];

function intentOf({ account, id, params, isPublic }: Call): Stripe.PaymentIntent {
  const intent = find(account.intents, id, 'payment_intent');
  if (!isPublic || read.requiredText(params, 'client_secret') === intent.client_secret) {
    return intent;
  }
  const message = `No such payment_intent: '${id}'`;
  throw refusal('resource_missing', message, { param: 'intent' });
}

const unexpected = (intent: Stripe.PaymentIntent, message: string) =>
  refusal('payment_intent_unexpected_state', message, { payment_intent: structuredClone(intent) });

function confirm(call: Call, intent: Stripe.PaymentIntent): void {
  const { account, params, isPublic } = call;
  const { status } = intent;
  if (status === 'succeeded') {
    const message =
      'You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.';
    throw unexpected(intent, message);
  }
  if (status === 'canceled' || status === 'processing') {
    const message = `You cannot confirm this PaymentIntent because it has a status of ${status}.`;
    throw unexpected(intent, message);
  }
  const returnUrl = read.text(params, 'return_url');
  const redirects = intent.automatic_payment_methods?.allow_redirects;
  // The trap of a confirmation by the backend: a redirect might be needed, so a way back is too.
  if (!isPublic && returnUrl === null && redirects === 'always') {
    throw refusal(
      'parameter_missing',
      "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
      { param: 'return_url' },
    );
  }
  const saved = account.methods.get((intent.payment_method as string | null) ?? '');
  const method = methodOf(account, params, isPublic) ?? saved;
  if (method === undefined) {
    const message =
      "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.";
    throw unexpected(intent, message);
  }
  if (method.customer !== null && method.customer !== intent.customer) {
    throw refusal(
      'payment_method_unexpected_state',
      `The PaymentMethod ${method.id} belongs to the Customer ${method.customer}. Please include the Customer in the \`customer\` parameter on the PaymentIntent.`,
      { param: 'payment_method' },
    );
  }
  const usage = readUsage(params);
  if (usage !== null) intent.setup_future_usage = usage;
  // A page's script asks for the bank's confirmation in the page itself.
  attemptPayment(account, intent, method, {
    isOffSession: read.flag(params, 'off_session') ?? false,
    returnUrl: isPublic ? null : returnUrl,
  });
}

function create(call: Call): Stripe.PaymentIntent {
  const { account, params } = call;
  const [amount, currency] = [readAmount(params), readCurrency(params)];
  const customer = read.text(params, 'customer');
  if (customer !== null) find(account.customers, customer, 'customer', 'customer');
  const isConfirmed = read.flag(params, 'confirm') ?? false;
  if (!isConfirmed && read.flag(params, 'off_session') !== null) {
    const message = 'off_session can only be used when confirm=true.';
    throw invalidParameter('off_session', 'parameter_invalid', message);
  }
  const types = read.list(params, 'payment_method_types').map(String);
  const isAutomatic = read.flag(params, 'automatic_payment_methods.enabled');
  if (types.length > 0 && isAutomatic === true) {
    const message =
      'You may only specify one of these parameters: automatic_payment_methods, payment_method_types.';
    throw invalidParameter('automatic_payment_methods', 'parameter_invalid', message);
  }
  const method = methodOf(account, params, call.isPublic);
  const intent = createIntent(account, {
    amount,
    currency,
    customer,
    metadata: read.metadata(params),
    description: read.text(params, 'description'),
    receiptEmail: read.text(params, 'receipt_email'),
    setupFutureUsage: readUsage(params),
    methodTypes: types.length > 0 ? types : isAutomatic === false ? ['card'] : null,
    allowsRedirects: read.text(params, 'automatic_payment_methods.allow_redirects') !== 'never',
  });
  if (method !== null) {
    intent.payment_method = method.id;
    intent.status = 'requires_confirmation';
  }
  if (isConfirmed) confirm(call, intent);
  return intent;
}

const NOTES = ['description', 'metadata', 'receipt_email', 'setup_future_usage'];

export const paymentIntentRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/payment_intents',
    takes: [
      ...['amount', 'currency', 'customer', 'confirm', 'off_session', 'payment_method'],
      ...['automatic_payment_methods', 'payment_method_types', 'payment_method_data'],
      ...['return_url', 'error_on_requires_action', 'statement_descriptor_suffix', ...NOTES],
    ],
    answer: create,
  },
  {
    method: 'GET',
    path: '/v1/payment_intents/:id',
    takes: ['client_secret', 'is_stripe_sdk', 'key'],
    isForPages: true,
    answer(call) {
      const intent = intentOf(call);
      return call.isPublic ? pageView(intent) : intent;
    },
  },
  {
    method: 'POST',
    path: '/v1/payment_intents/:id',
    takes: ['amount', 'currency', 'customer', 'payment_method', ...NOTES],
    answer(call) {
      const { account, params } = call;
      const intent = intentOf(call);
      if ('amount' in params) {
        if (!intent.status.startsWith('requires_')) {
          const message = `This PaymentIntent's amount could not be updated because it has a status of ${intent.status}.`;
          throw unexpected(intent, message);
        }
        intent.amount = readAmount(params);
      }
      const customer = read.text(params, 'customer');
      if (customer !== null)
        intent.customer = find(account.customers, customer, 'customer', 'customer').id;
      if ('description' in params) intent.description = read.text(params, 'description');
      if ('receipt_email' in params) intent.receipt_email = read.text(params, 'receipt_email');
      if ('setup_future_usage' in params) intent.setup_future_usage = readUsage(params);
      intent.metadata = read.metadata(params, intent.metadata);
      const method = methodOf(account, params, false);
      if (method !== null) {
        intent.payment_method = method.id;
        intent.status = 'requires_confirmation';
      }
      return intent;
    },
  },
  {
    method: 'POST',
    path: '/v1/payment_intents/:id/confirm',
    takes: [
      ...['payment_method', 'payment_method_data', 'return_url', 'off_session', 'client_secret'],
      ...['setup_future_usage', 'use_stripe_sdk', 'expected_payment_method_type', 'key'],
    ],
    isForPages: true,
    answer(call) {
      const intent = intentOf(call);
      confirm(call, intent);
      return call.isPublic ? pageView(intent) : intent;
    },
  },
  {
    method: 'POST',
    path: '/v1/payment_intents/:id/cancel',
    takes: ['cancellation_reason'],
    answer(call) {
      const { account, params } = call;
      const intent = intentOf(call);
      const sessions = [...account.sessions.values()];
      if (sessions.some((it) => it.payment_intent === intent.id && it.status === 'open')) {
        const message =
          'You cannot cancel PaymentIntents created by a Checkout Session. Expire the Checkout Session instead.';
        throw unexpected(intent, message);
      }
      // Stripe allows it "in rare cases" while processing; a backend must not rely on those.
      if (!CANCELABLE.includes(intent.status)) {
        const message = `You cannot cancel this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_reauthorization, requires_confirmation, requires_action, processing.`;
        throw unexpected(intent, message);
      }
      const reasons = ['abandoned', 'duplicate', 'fraudulent', 'requested_by_customer'] as const;
      intent.status = 'canceled';
      intent.canceled_at = account.nowSeconds();
      intent.cancellation_reason = read.oneOf(params, 'cancellation_reason', reasons);
      intent.next_action = null;
      account.emit('payment_intent.canceled', intent);
      return intent;
    },
  },
  {
    method: 'GET',
    path: '/v1/payment_intents',
    takes: ['customer', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const customer = read.text(params, 'customer');
      const fits = (it: Stripe.PaymentIntent) => customer === null || it.customer === customer;
      return page('/v1/payment_intents', account.intents.values(), params, fits);
    },
  },
];
