/**
 * What Stripe tells us. Nobody is asked for credentials here: the signature over the very bytes that
 * came is the proof, so that nothing may read the body before. An event and its effects are one
 * transaction; Stripe repeats what was not answered with 200.
 */
import { createRoute, z } from '@hono/zod-openapi';
import Stripe from 'stripe';
import type { Tenants } from '../../../drizzle/bound.ts';
import { keepable } from '../../../payments/keepable.ts';
import {
  isNotification,
  type Notification,
  takeNotification,
} from '../../../payments/notification.ts';
import { type TakenEvent, takeEvent } from '../../../payments/take-event.ts';
import type { HttpDeps, Payments } from '../deps.ts';
import { isValueNotKept } from '../ledger-errors.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { pushLimits } from '../push-limits.ts';
import { newRouter } from '../router.ts';
import { json } from '../schemas.ts';
import { createForgeries } from './forgeries.ts';

export const STRIPE_WEBHOOK_PATH = '/v1/webhooks/stripe';
/** An event holds a whole object, with its metadata and lists: beyond what any of them has. */
export const MAX_STRIPE_EVENT_BYTES = 512 * 1024;
/** Of what was refused: anybody may send anything here. */
const WARN_EVERY_MS = 60_000;

const webhookRoute = createRoute({
  method: 'post',
  path: STRIPE_WEBHOOK_PATH,
  tags: ['purchases'],
  summary: 'Where Stripe tells of payments',
  description:
    'For Stripe alone: the header `Stripe-Signature` signs the body as it was sent. An event counts ' +
    'once, however often it comes. Which events to subscribe to stands in docs/payments.md.',
  request: {
    body: {
      // No schema of zod: nothing reads the body before its signature is checked.
      content: { 'application/json': { schema: { type: 'object' } } },
      required: true,
    },
  },
  responses: {
    200: json(z.object({ received: z.literal(true) }).openapi('WebhookReceived'), 'Taken down.'),
    ...problemResponses('webhookInvalid', 'paymentsNotConfigured'),
  },
});

export function stripeWebhook(deps: HttpDeps) {
  const app = newRouter();
  const forgeries = createForgeries();
  let warnedAt = Number.NEGATIVE_INFINITY;

  function refuse(error: ProblemError): never {
    if (deps.now() - warnedAt >= WARN_EVERY_MS) {
      warnedAt = deps.now();
      deps.log.warn({ detail: error.message }, 'a webhook was not accepted');
    }
    throw error;
  }

  app.openapi(webhookRoute, async (c) => {
    const { payments, log } = deps;
    if (!payments || payments.settings.webhookSecrets.length === 0) throw noSecrets();
    const address = c.env?.address ?? '';
    const header = c.req.header('stripe-signature') ?? '';
    if (header === '') refuse(invalid('it has no signature'));
    const waitSeconds = forgeries.waitSeconds(address, deps.now());
    if (waitSeconds > 0) refuse(tooMany(waitSeconds));
    const bytes = Buffer.from(await c.req.arrayBuffer());
    const event = verified(payments, bytes, header, deps.now());
    if (event instanceof ProblemError) {
      forgeries.failed(address, deps.now());
      refuse(event);
    }
    forgeries.proved(address, deps.now());
    const taken = await take(deps.db, event, Math.floor(deps.meterNow())).catch((error) => {
      if (!isMisshapen(error)) throw error;
      const { id, type } = event;
      log.error({ err: error, event: id, type }, 'a signed event of Stripe can not be read');
      throw invalid('it is signed, but its object has not the form of its type');
    });
    const { effect, org, payment, detail } = taken;
    const told = { event: event.id, type: event.type, effect, org, payment, detail };
    if (effect === 'refused') log.error(told, 'an event of Stripe fits no purchase: look into it');
    else if (effect === 'waiting' && isNotification(event)) {
      log.error(told, 'Stripe could not use overage that it was told: the worker asks what of it');
    } else log.info(told, 'an event of Stripe was taken down');
    // Not waited for: the outbox has it, too, and Stripe waits for an answer.
    if (effect === 'applied' && org !== null) void pushLimits(deps, [org]);
    return c.json({ received: true as const }, 200);
  });

  return app;
}

async function take(
  { all }: Tenants,
  event: Stripe.Event | Notification,
  at: number,
): Promise<TakenEvent> {
  if (!isNotification(event)) return all.transaction((tx) => takeEvent(tx, event, at));
  const effect = await all.transaction((tx) => takeNotification(tx, event));
  return { effect, org: null, payment: null, detail: null };
}

/**
 * Of an endpoint with another version of the API, say: Stripe tells it again, which gives a person time
 * to look.
 */
const isMisshapen = (error: unknown) =>
  error instanceof TypeError || error instanceof RangeError || isValueNotKept(error);

/** The event, or why it is none: 400. */
function verified(
  { settings, stripe }: Payments,
  body: Buffer,
  header: string,
  now: number,
): Stripe.Event | Notification | ProblemError {
  let why = 'its signature fits none of our secrets';
  for (const secret of settings.webhookSecrets) {
    let event: Stripe.Event | Notification;
    try {
      const { signature } = stripe.webhooks;
      signature!.verifyHeader(body, header, secret, undefined, undefined, now);
      event = keepable(JSON.parse(body.toString())) as typeof event;
    } catch (error) {
      // Of a secret that fits: what is wrong then is its age, or what it signs.
      if (!(error instanceof SIGNATURE_ERROR)) why = 'it is no event';
      else if (error.message.includes('tolerance')) why = 'it was signed too long ago';
      continue;
    }
    if (typeof event?.id !== 'string' || typeof event.type !== 'string') {
      why = 'it is no event';
    } else if (event.livemode !== settings.livemode) {
      why = `it is of ${modeOf(event)} mode, and our key of ${modeOf(settings)} mode`;
    } else return event;
  }
  return invalid(why);
}

const SIGNATURE_ERROR = Stripe.errors.StripeSignatureVerificationError;

function invalid(why: string): ProblemError {
  return new ProblemError(
    'webhookInvalid',
    `This webhook is not accepted: ${why}. Nothing was done. The signing secret of the endpoint ` +
      'must be in STRIPE_WEBHOOK_SECRETS, and the body must come here byte for byte.',
  );
}

function tooMany(waitSeconds: number): ProblemError {
  return new ProblemError(
    'rateLimited',
    'Too many webhooks came from this address that were not signed with our secrets. ' +
      `The next one is looked at in ${waitSeconds} s.`,
    { headers: { 'retry-after': String(waitSeconds) } },
  );
}

const modeOf = ({ livemode }: { livemode: boolean }) => (livemode ? 'live' : 'test');

function noSecrets(): ProblemError {
  return new ProblemError(
    'paymentsNotConfigured',
    'Webhooks are not heard here: set STRIPE_SECRET_KEY, and STRIPE_WEBHOOK_SECRETS to the signing ' +
      'secret of this endpoint (docs/payments.md).',
  );
}
