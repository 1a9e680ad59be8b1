/** Extra minutes that are bought by themselves: what an organization allows, and how that goes. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, eq } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Database } from '../../../drizzle/client.ts';
import { extraMinutesPackages } from '../../../drizzle/schema/extra-minutes.ts';
import { stripeCustomers } from '../../../drizzle/schema/payments.ts';
import { topUps } from '../../../drizzle/schema/top-ups.ts';
import { customerOf, digestOf } from '../../../payments/customer.ts';
import { isKeySpent, troubleOf } from '../../../payments/stripe-trouble.ts';
import { topUpMonth } from '../../../payments/top-up-month.ts';
import { topUpMessage } from '../../../payments/top-up-words.ts';
import { audit } from '../audit.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { requireKnown } from '../members.ts';
import { backendSecurity } from '../openapi.ts';
import { actorOf, requireBackend } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { idSchema, instantOrNull, instantSchema, json, jsonBody, orgParams } from '../schemas.ts';
import { paymentsNotConfigured, problemOf } from './payment-problems.ts';

const MS_PER_MINUTE = 60_000;
const MS_PER_SECOND = 1_000;
const MAX_MINUTES = 100_000;
const MAX_CENTS = 100_000_000;
const DAY_SECONDS = 86_400;
const DEFAULT_REMAINING_MINUTES = 10;
const DEFAULT_COOL_OFF_SECONDS = 600;

const settings = {
  enabled: z.boolean(),
  package: idSchema('minutes-60'),
  whenRemainingMinutes: z
    .number()
    .positive()
    .max(MAX_MINUTES)
    .refine((minutes) => Math.round(minutes * MS_PER_MINUTE) > 0, {
      message: 'must be a millisecond at least',
    })
    .openapi({
      description: 'Bought while somebody records and no more than this is left of all there is.',
    }),
  monthlyCapCents: z
    .int()
    .min(1)
    .max(MAX_CENTS)
    .openapi({
      description:
        "At most so much in a calendar month of the organization's zone, in the currency that the " +
        'package is sold in now.',
    }),
  coolOffSeconds: z.int().min(0).max(DAY_SECONDS).openapi({
    description: 'From the beginning of one to that of the next.',
  }),
  paymentMethod: z
    .string()
    .regex(/^pm_\w{1,200}$/, { message: "must be the id of one of Stripe's payment methods" })
    .openapi({ example: 'pm_1Example' })
    .nullable()
    .openapi({ description: 'null: the one that was saved last.' }),
};

const bodySchema = z
  .strictObject({
    ...settings,
    whenRemainingMinutes: settings.whenRemainingMinutes.default(DEFAULT_REMAINING_MINUTES),
    coolOffSeconds: settings.coolOffSeconds.default(DEFAULT_COOL_OFF_SECONDS),
    paymentMethod: settings.paymentMethod.default(null),
  })
  .openapi('TopUpBody');

const shownSchema = z
  .object({
    ...settings,
    package: settings.package.nullable(),
    monthlyCapCents: z.int().nullable(),
    currency: z.string().nullable().openapi({
      description:
        'Of the cap: what the package was sold in when it was set. In any other one nothing is bought.',
      example: 'usd',
    }),
    saved: z.string().nullable().openapi({
      description: 'The saved payment method in words; null = none, or not known yet.',
      example: 'visa 4242',
    }),
    state: z.object({
      thisMonthCents: z.int().min(0).openapi({ description: 'In that currency.' }),
      lastAt: instantSchema.nullable(),
      failures: z.int().min(0).openapi({ description: 'In a row; after three it is off.' }),
      pausedUntil: instantSchema.nullable(),
      message: z.string().nullable().openapi({ description: 'What happened, and what to do.' }),
    }),
  })
  .openapi('TopUp');
type Shown = z.infer<typeof shownSchema>;

const path = '/v1/orgs/{org}/extra-minutes/top-up';
const tags = ['purchases'];
const security = backendSecurity;

const getRoute = createRoute({
  ...{ method: 'get', path, tags, security },
  summary: 'Automatic top-up: settings, and how it goes',
  request: { params: orgParams },
  responses: {
    200: json(shownSchema, 'As it stands.'),
    ...problemResponses('organizationUnknown'),
  },
});

const putRoute = createRoute({
  ...{ method: 'put', path, tags, security },
  summary: 'Turn automatic top-up on or off',
  description: 'Also ends a pause, and counts failures anew.',
  request: { params: orgParams, headers: idempotencyHeader, ...jsonBody(bodySchema) },
  responses: {
    200: json(shownSchema, 'As it stands now.'),
    ...problemResponses('organizationUnknown', 'packageUnknown', 'idempotencyKeyReused'),
  },
});

const setupRoute = createRoute({
  ...{ method: 'post', path: `${path}/setup` as const, tags, security },
  summary: 'Begin to save a payment method',
  description: "Nothing is charged. Stripe's page elements take the secret in the browser.",
  request: { params: orgParams, headers: idempotencyHeader },
  responses: {
    200: json(
      z
        .object({ clientSecret: z.string(), publishableKey: z.string().nullable() })
        .openapi('TopUpSetup'),
      'What the browser goes on with.',
    ),
    ...problemResponses(
      ...(['organizationUnknown', 'paymentFailed'] as const),
      ...(['paymentsUnavailable', 'paymentsNotConfigured'] as const),
    ),
  },
});

export function topUp(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(getRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    return c.json(await shown(deps, db, org), 200);
  });

  app.openapi(putRoute, async (c) => {
    const { org } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const { whenRemainingMinutes, coolOffSeconds, ...body } = c.req.valid('json');
    const db = deps.db.of(org);
    await writeOnce(c, db, {
      run: async (tx) => {
        await requireKnown(tx, org);
        const { id, active } = extraMinutesPackages;
        const [offer] = await tx
          .select()
          .from(extraMinutesPackages)
          .where(and(eq(id, body.package), eq(active, true)));
        if (offer === undefined) throw packageUnknown(body.package);
        const values = {
          ...body,
          currency: offer.currency,
          thresholdMs: Math.round(whenRemainingMinutes * MS_PER_MINUTE),
          coolOffMs: coolOffSeconds * MS_PER_SECOND,
          ...{ failures: 0, pausedUntil: null, trouble: null, updatedAt: deps.now() },
        };
        await tx
          .insert(topUps)
          .values({ org, ...values })
          .onConflictDoUpdate({ target: topUps.org, set: values });
        const detail = { ...body, whenRemainingMinutes, coolOffSeconds };
        await audit(tx, { actor, action: 'topUp.put', org, detail, at: deps.now() });
        return { status: 200 as const, body: {} };
      },
    });
    return c.json(await shown(deps, db, org), 200);
  });

  app.openapi(setupRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const { payments } = deps;
    if (!payments) throw paymentsNotConfigured();
    const { stripe, settings: keys } = payments;
    const { livemode, publishableKey } = keys;
    try {
      const customer = await customerOf({ db, stripe, livemode, now: deps.now }, org);
      const key = c.req.header('idempotency-key');
      // What is answered opens a page at Stripe: it is kept there, and not here.
      const idempotencyKey = key && `setup-${digestOf([org, customer, key])}`;
      const create = (options: Stripe.RequestOptions) =>
        stripe.setupIntents.create(
          {
            ...{ customer, usage: 'off_session', metadata: { org } },
            automatic_payment_methods: { enabled: true },
          },
          options,
        );
      const made = await create(idempotencyKey ? { idempotencyKey } : {}).catch((error) => {
        // It would answer so for a day under this key, and a second one costs nothing.
        if (!isKeySpent(error)) throw error;
        return create({});
      });
      const { client_secret: clientSecret } = made;
      return c.json({ clientSecret: clientSecret!, publishableKey }, 200);
    } catch (error) {
      throw problemOf(deps, troubleOf(error), `setup of ${org}`);
    }
  });

  return app;
}

async function shown(deps: HttpDeps, db: Database, org: string): Promise<Shown> {
  const [row] = await db.select().from(topUps).where(eq(topUps.org, org));
  const [payer] = await db.select().from(stripeCustomers).where(eq(stripeCustomers.org, org));
  const currency = row?.currency ?? null;
  const { cents } = await topUpMonth(db, { org, currency }, Math.floor(deps.meterNow()));
  return {
    enabled: row?.enabled ?? false,
    package: row?.package ?? null,
    whenRemainingMinutes: (row?.thresholdMs ?? 0) / MS_PER_MINUTE || DEFAULT_REMAINING_MINUTES,
    monthlyCapCents: row?.monthlyCapCents ?? null,
    currency,
    coolOffSeconds: row === undefined ? DEFAULT_COOL_OFF_SECONDS : row.coolOffMs / MS_PER_SECOND,
    paymentMethod: row?.paymentMethod ?? null,
    saved: payer?.paymentMethodLabel ?? payer?.paymentMethod ?? null,
    state: {
      thisMonthCents: cents,
      lastAt: instantOrNull(row?.lastAt ?? null),
      failures: row?.failures ?? 0,
      pausedUntil: instantOrNull(row?.pausedUntil ?? null),
      message: row === undefined ? null : topUpMessage(row),
    },
  };
}

function packageUnknown(id: string): ProblemError {
  return new ProblemError(
    'packageUnknown',
    `There is no package "${id}" on sale. GET /v1/extra-minutes/packages lists those there are.`,
  );
}
