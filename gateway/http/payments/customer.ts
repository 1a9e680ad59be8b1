/** Who pays at Stripe for an organization: made with its first payment, or given where there is one. */
import { createRoute, z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import type { Queryable } from '../../../drizzle/client.ts';
import { stripeCustomers } from '../../../drizzle/schema/payments.ts';
import {
  type GivenCustomer,
  giveCustomer,
  whyNotAtStripe,
} from '../../../payments/given-customer.ts';
import { troubleOf } from '../../../payments/stripe-trouble.ts';
import { audit } from '../audit.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { requireKnown } from '../members.ts';
import { backendSecurity } from '../openapi.ts';
import { actorOf, requireBackend, requireInstallation } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { json, jsonBody, orgParams } from '../schemas.ts';
import { paymentsNotConfigured, problemOf } from './payment-problems.ts';

const customerSchema = z
  .string()
  .regex(/^cus_\w{1,200}$/, { message: "must be the id of one of Stripe's customers" })
  .openapi({ example: 'cus_Example' });

const shownSchema = z
  .object({
    customer: customerSchema.nullable().openapi({
      description:
        'null: none yet. The first purchase, or the first card that is saved, makes one.',
    }),
    livemode: z.boolean().nullable().openapi({
      description:
        'Of the key by which it was made, or given. A key of the other mode makes another.',
    }),
  })
  .openapi('StripeCustomer');
type Shown = z.infer<typeof shownSchema>;

const path = '/v1/orgs/{org}/extra-minutes/customer';
const tags = ['purchases'];
const security = backendSecurity;

const getRoute = createRoute({
  ...{ method: 'get', path, tags, security },
  summary: "The organization's customer at Stripe",
  request: { params: orgParams },
  responses: {
    200: json(shownSchema, 'As it stands.'),
    ...problemResponses('organizationUnknown'),
  },
});

const putRoute = createRoute({
  ...{ method: 'put', path, tags, security },
  summary: 'Give it a customer that is at Stripe already',
  description:
    'Needs a key of the whole installation. What is bought, saved and reported from now on is of this ' +
    'customer; a card that was saved for another one is not kept.',
  request: {
    params: orgParams,
    headers: idempotencyHeader,
    ...jsonBody(z.strictObject({ customer: customerSchema }).openapi('StripeCustomerBody')),
  },
  responses: {
    200: json(shownSchema, 'It is its customer now.'),
    ...problemResponses(
      ...(['organizationUnknown', 'customerNotAccepted', 'idempotencyKeyReused'] as const),
      ...(['paymentsUnavailable', 'paymentsNotConfigured'] as const),
    ),
  },
});

export function customer(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(getRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    return c.json(await shown(db, org), 200);
  });

  app.openapi(putRoute, async (c) => {
    const { org } = c.req.valid('param');
    // Whoever may name any customer of the account may have any of its cards charged.
    const actor = actorOf(requireInstallation(c.get('principal')));
    await requireKnown(deps.db.of(org), org);
    const given = await acceptable(deps, org, c.req.valid('json').customer);
    const answer = await writeOnce(c, deps.db.all, {
      run: async (tx) => {
        const { customer: before } = await shown(tx, org);
        const other = await giveCustomer(tx, given);
        if (other !== null) {
          const why = `The customer "${given.customer}" is the organization "${other}"'s already. Give another one.`;
          throw notAccepted(why);
        }
        const detail = { customer: given.customer, livemode: given.livemode, before };
        await audit(tx, { actor, action: 'customer.put', org, detail, at: deps.now() });
        return { status: 200 as const, body: await shown(tx, org) };
      },
    });
    return c.json(answer.body, 200);
  });

  return app;
}

/** Asked of Stripe before anything is locked here. @throws ProblemError */
async function acceptable(deps: HttpDeps, org: string, id: string): Promise<GivenCustomer> {
  const { payments } = deps;
  if (!payments) throw paymentsNotConfigured();
  const given = { org, customer: id, livemode: payments.settings.livemode };
  const why = await whyNotAtStripe(payments.stripe, given).catch((error) => {
    throw problemOf(deps, troubleOf(error), `customer of ${org}`);
  });
  if (why !== null) throw notAccepted(why);
  return given;
}

async function shown(db: Queryable, org: string): Promise<Shown> {
  const [row] = await db.select().from(stripeCustomers).where(eq(stripeCustomers.org, org));
  return { customer: row?.customer ?? null, livemode: row?.livemode ?? null };
}

const notAccepted = (detail: string) =>
  new ProblemError('customerNotAccepted', detail, { errors: [{ pointer: '/customer', detail }] });
