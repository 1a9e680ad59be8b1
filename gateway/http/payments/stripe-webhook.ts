/**
 * What Stripe tells us. Nobody is asked for credentials here: the signature over the very bytes that
 * came is the proof, so that nothing may read the body before. An event and its effects are one
 * transaction; Stripe repeats what was not answered with 200.
 */
import { createRoute, z } from '@hono/zod-openapi';
import Stripe from 'stripe';
import { takeEvent } from '../../../payments/take-event.ts';
import type { HttpDeps, Payments } from '../deps.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { pushLimits } from '../push-limits.ts';
import { newRouter } from '../router.ts';
import { json } from '../schemas.ts';

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
  let warnedAt = Number.NEGATIVE_INFINITY;

  app.openapi(webhookRoute, async (c) => {
    const { payments, log } = deps;
    if (!payments || payments.settings.webhookSecrets.length === 0) throw noSecrets();
    const bytes = Buffer.from(await c.req.arrayBuffer());
    let event: Stripe.Event;
    try {
      event = verified(payments, bytes, c.req.header('stripe-signature') ?? '', deps.now());
    } catch (error) {
      if (error instanceof ProblemError && deps.now() - warnedAt >= WARN_EVERY_MS) {
        warnedAt = deps.now();
        log.warn({ detail: error.message }, 'a webhook was not accepted');
      }
      throw error;
    }
    const at = Math.floor(deps.meterNow());
    const taken = await deps.db.all.transaction((tx) => takeEvent(tx, event, at));
    const { effect, org, payment, detail } = taken;
    const told = { event: event.id, type: event.type, effect, org, payment, detail };
    if (effect === 'refused') log.error(told, 'an event of Stripe fits no purchase: look into it');
    else log.info(told, 'an event of Stripe was taken down');
    // Not waited for: the outbox has it, too, and Stripe waits for an answer.
    if (effect === 'applied' && org !== null) void pushLimits(deps, [org]);
    return c.json({ received: true as const }, 200);
  });

  return app;
}

/** @throws ProblemError 400 */
function verified(
  { settings, stripe }: Payments,
  body: Buffer,
  header: string,
  now: number,
): Stripe.Event {
  let why: string = header === '' ? 'it has no signature' : FORGED;
  for (const secret of header === '' ? [] : settings.webhookSecrets) {
    let event: Stripe.Event;
    try {
      event = stripe.webhooks.constructEvent(body, header, secret, undefined, undefined, now);
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
  throw new ProblemError('webhookInvalid', `This webhook is not accepted: ${why}. ${ADVICE}`);
}

const SIGNATURE_ERROR = Stripe.errors.StripeSignatureVerificationError;
const FORGED = 'its signature fits none of our secrets';
const ADVICE =
  'Nothing was done. The signing secret of the endpoint must be in STRIPE_WEBHOOK_SECRETS, and the ' +
  'body must come here byte for byte.';

const modeOf = ({ livemode }: { livemode: boolean }) => (livemode ? 'live' : 'test');

function noSecrets(): ProblemError {
  return new ProblemError(
    'paymentsNotConfigured',
    'Webhooks are not heard here: set STRIPE_SECRET_KEY, and STRIPE_WEBHOOK_SECRETS to the signing ' +
      'secret of this endpoint (docs/payments.md).',
  );
}
