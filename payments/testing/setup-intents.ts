/** Setup intents, which save a card and charge nothing: https://docs.stripe.com/api/setup_intents */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { refusal } from './api-error.ts';
import { AUTHENTICATION_FAILED, type Decline } from './cards.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import * as read from './parameters.ts';
import { attach, cardOf, declineError, methodOf } from './payment-methods.ts';
import type { Call, Route } from './route.ts';

const HIDDEN_FROM_PAGES = ['customer', 'metadata', 'latest_attempt', 'application', 'mandate'];

function intentOf({ account, id, params, isPublic }: Call): Stripe.SetupIntent {
  const intent = find(account.setupIntents, id, 'setupintent');
  if (!isPublic || read.requiredText(params, 'client_secret') === intent.client_secret) {
    return intent;
  }
  throw refusal('resource_missing', `No such setupintent: '${id}'`, { param: 'intent' });
}

function view({ isPublic }: Call, intent: Stripe.SetupIntent): object {
  if (!isPublic) return intent;
  const shown = Object.entries(intent).filter(([field]) => !HIDDEN_FROM_PAGES.includes(field));
  return structuredClone(Object.fromEntries(shown));
}

const unexpected = (intent: Stripe.SetupIntent, message: string) =>
  refusal('setup_intent_unexpected_state', message, { setup_intent: structuredClone(intent) });

function succeed(account: Account, intent: Stripe.SetupIntent, method: Stripe.PaymentMethod): void {
  if (typeof intent.customer === 'string') attach(account, method, intent.customer);
  if (intent.usage === 'off_session') account.setUp.add(method.id);
  intent.status = 'succeeded';
  intent.next_action = null;
  account.emit('setup_intent.succeeded', intent);
}

function fail(
  account: Account,
  intent: Stripe.SetupIntent,
  method: Stripe.PaymentMethod,
  decline: Decline,
) {
  intent.status = 'requires_payment_method';
  intent.next_action = null;
  intent.payment_method = null;
  const { body } = declineError(decline, { payment_method: structuredClone(method) });
  intent.last_setup_error = body as unknown as Stripe.SetupIntent.LastSetupError;
  account.emit('setup_intent.setup_failed', intent);
  return declineError(decline, { ...body, setup_intent: structuredClone(intent) });
}

function confirm(call: Call, intent: Stripe.SetupIntent): void {
  const { account, params, isPublic } = call;
  if (intent.status === 'succeeded' || intent.status === 'canceled') {
    const message = `You cannot confirm this SetupIntent because it has a status of ${intent.status}.`;
    throw unexpected(intent, message);
  }
  const saved = account.methods.get((intent.payment_method as string | null) ?? '');
  const method = methodOf(account, params, isPublic) ?? saved;
  if (method === undefined) {
    const message = "You cannot confirm this SetupIntent because it's missing a payment method.";
    throw unexpected(intent, message);
  }
  intent.payment_method = method.id;
  intent.last_setup_error = null;
  const { declinesAlways, authentication } = cardOf(account, method);
  if (declinesAlways !== undefined) throw fail(account, intent, method, declinesAlways);
  if (authentication === 'always' || authentication === 'unlessSetUp') {
    intent.status = 'requires_action';
    const sdk = { type: 'three_d_secure_redirect' };
    intent.next_action = { type: 'use_stripe_sdk', use_stripe_sdk: sdk };
    account.emit('setup_intent.requires_action', intent);
    return;
  }
  succeed(account, intent, method);
}

/** The person has told their bank yes or no. */
export function authenticateSetup(account: Account, id: string, isPassed: boolean): void {
  const intent = find(account.setupIntents, id, 'setupintent');
  if (intent.status !== 'requires_action') throw new Error(`${id} is ${intent.status}.`);
  const method = account.methods.get(intent.payment_method as string)!;
  if (isPassed) succeed(account, intent, method);
  else fail(account, intent, method, AUTHENTICATION_FAILED);
}

function create(call: Call): Stripe.SetupIntent {
  const { account, params } = call;
  const customer = read.text(params, 'customer');
  if (customer !== null) find(account.customers, customer, 'customer', 'customer');
  const method = methodOf(account, params, call.isPublic);
  const types = read.list(params, 'payment_method_types').map(String);
  const redirects = read.text(params, 'automatic_payment_methods.allow_redirects');
  const id = account.newId('seti');
  const intent: Stripe.SetupIntent = {
    id,
    object: 'setup_intent',
    allowed_payment_method_types: null,
    application: null,
    automatic_payment_methods:
      types.length > 0
        ? null
        : { allow_redirects: redirects === 'never' ? 'never' : 'always', enabled: true },
    cancellation_reason: null,
    client_secret: `${id}_${account.newId('secret')}`,
    created: account.nowSeconds(),
    customer,
    customer_account: null,
    description: read.text(params, 'description'),
    excluded_payment_method_types: null,
    flow_directions: null,
    last_setup_error: null,
    latest_attempt: null,
    livemode: false,
    mandate: null,
    metadata: read.metadata(params),
    next_action: null,
    on_behalf_of: null,
    payment_method: method?.id ?? null,
    payment_method_configuration_details: null,
    payment_method_options: null,
    payment_method_types: types.length > 0 ? types : ['card'],
    single_use_mandate: null,
    status: method === null ? 'requires_payment_method' : 'requires_confirmation',
    usage: read.oneOf(params, 'usage', ['off_session', 'on_session'] as const) ?? 'off_session',
  };
  account.setupIntents.set(id, intent);
  account.emit('setup_intent.created', intent);
  if (read.flag(params, 'confirm') === true) confirm(call, intent);
  return intent;
}

export const setupIntentRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/setup_intents',
    takes: [
      ...['customer', 'payment_method', 'payment_method_types', 'automatic_payment_methods'],
      ...['usage', 'confirm', 'metadata', 'description', 'return_url'],
    ],
    answer: create,
  },
  {
    method: 'GET',
    path: '/v1/setup_intents/:id',
    takes: ['client_secret'],
    isForPages: true,
    answer: (call) => view(call, intentOf(call)),
  },
  {
    method: 'POST',
    path: '/v1/setup_intents/:id/confirm',
    takes: ['payment_method', 'payment_method_data', 'return_url', 'client_secret'],
    isForPages: true,
    answer(call) {
      const intent = intentOf(call);
      confirm(call, intent);
      return view(call, intent);
    },
  },
  {
    method: 'POST',
    path: '/v1/setup_intents/:id/cancel',
    takes: ['cancellation_reason'],
    answer(call) {
      const intent = intentOf(call);
      if (intent.status === 'succeeded' || intent.status === 'canceled') {
        const message = `You cannot cancel this SetupIntent because it has a status of ${intent.status}.`;
        throw unexpected(intent, message);
      }
      intent.status = 'canceled';
      call.account.emit('setup_intent.canceled', intent);
      return intent;
    },
  },
  {
    method: 'GET',
    path: '/v1/setup_intents',
    takes: ['customer', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const customer = read.text(params, 'customer');
      const fits = (it: Stripe.SetupIntent) => customer === null || it.customer === customer;
      return page('/v1/setup_intents', account.setupIntents.values(), params, fits);
    },
  },
];
