/** Buying extra minutes: a payment from its beginning, and what became of those before. */
import { randomUUID } from 'node:crypto';
import { createRoute } from '@hono/zod-openapi';
import { and, desc, eq, lt, or } from 'drizzle-orm';
import type { Queryable, Transaction } from '../../../drizzle/client.ts';
import { extraMinutesPackages } from '../../../drizzle/schema/extra-minutes.ts';
import { payments as table } from '../../../drizzle/schema/payments.ts';
import { lentByPlan } from '../../../payments/lend.ts';
import type { PaymentRow } from '../../../payments/payment-state.ts';
import { startAtStripe } from '../../../payments/start-purchase.ts';
import { StripeTrouble } from '../../../payments/stripe-trouble.ts';
import { audit } from '../audit.ts';
import { decodeCursor, isNumberAndTextKey, pageFrom } from '../cursor.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { requireKnown } from '../members.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { actorOf, type Principal, requireBuyer } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { json, jsonBody, orgParams, pageOf, pageQuery } from '../schemas.ts';
import { providerOf } from './package-schema.ts';
import { priceIn, pricesOf } from './packages.ts';
import { paymentsNotConfigured, problemOf, purchaseUnknown } from './payment-problems.ts';
import {
  findPurchase,
  type PurchaseBody,
  purchaseBodySchema,
  purchaseParams,
  purchaseSchema,
  purchasesShown,
  startedSchema,
} from './purchase-schema.ts';

const postRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/extra-minutes/purchases',
  tags: ['purchases'],
  summary: 'Begin to buy extra minutes',
  description:
    'The minutes come once Stripe says that they are paid, and running sessions go on with them at ' +
    'once. With the same `Idempotency-Key` it is the same purchase, and the same payment, also where ' +
    'the answer was lost. By API key, or by a ticket with the scope `buy`.',
  security: backendOrTicketSecurity,
  request: { params: orgParams, headers: idempotencyHeader, ...jsonBody(purchaseBodySchema) },
  responses: {
    201: json(startedSchema, 'Begun; nothing is paid yet.'),
    ...problemResponses(
      ...(['organizationUnknown', 'packageUnknown', 'idempotencyKeyReused'] as const),
      ...(['paymentFailed', 'paymentsUnavailable', 'paymentsNotConfigured'] as const),
    ),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/extra-minutes/purchases',
  tags: ['purchases'],
  summary: 'What was bought, newest first',
  security: backendOrTicketSecurity,
  request: { params: orgParams, query: pageQuery },
  responses: {
    200: json(pageOf(purchaseSchema), 'A page of purchases, also those that were never paid.'),
    ...problemResponses('organizationUnknown'),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/extra-minutes/purchases/{purchase}',
  tags: ['purchases'],
  summary: 'One purchase',
  security: backendOrTicketSecurity,
  request: { params: purchaseParams },
  responses: {
    200: json(purchaseSchema, 'As it stands.'),
    ...problemResponses('organizationUnknown', 'purchaseUnknown'),
  },
});

export function purchases(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(postRoute, async (c) => {
    const principal = c.get('principal');
    const { org } = c.req.valid('param');
    const body = c.req.valid('json');
    const user = buyerOf(principal, org, body.user);
    const method = methodOf(deps, body);
    const { body: begun } = await writeOnce<{ purchase: string }>(c, deps.db.of(org), {
      run: async (tx) => {
        const row = await begin(deps, tx, { org, user, method, body });
        const detail = { package: row.package, cents: row.amountCents, currency: row.currency };
        const entry = { actor: actorOf(principal), action: 'purchase.begin', org, detail };
        await audit(tx, { ...entry, subject: row.id, at: deps.now() });
        // No more is kept: what opens the payment is asked of Stripe again.
        return { status: 201, body: { purchase: row.id } };
      },
    });
    const db = deps.db.of(org);
    const started = await start(deps, (await findPurchase(db, org, begun.purchase))!, body);
    const row = (await findPurchase(db, org, begun.purchase))!;
    const [shown] = await purchasesShown(db, [row]);
    return c.json({ ...shown!, ...started, holdMs: await lentByPlan(db, row) }, 201);
  });

  app.openapi(listRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBuyer(c.get('principal'), org);
    const { cursor, limit } = c.req.valid('query');
    const after = decodeCursor('purchases', cursor, isNumberAndTextKey);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const rows = await listPurchases(db, org, after, limit + 1);
    const page = pageFrom('purchases', rows, limit, (row) => [row.startedAt, row.id]);
    const items = await purchasesShown(db, page.items);
    return c.json({ items, nextCursor: page.nextCursor }, 200);
  });

  app.openapi(getRoute, async (c) => {
    const { org, purchase } = c.req.valid('param');
    requireBuyer(c.get('principal'), org);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const row = await findPurchase(db, org, purchase);
    if (row === null) throw purchaseUnknown(org, purchase);
    const [shown] = await purchasesShown(db, [row]);
    return c.json(shown!, 200);
  });

  return app;
}

/** @throws ProblemError where a ticket buys for somebody else */
function buyerOf(principal: Principal, org: string, named: string | undefined): string | null {
  const member = requireBuyer(principal, org);
  if (member !== null && named !== undefined && named !== member) {
    throw new ProblemError('notAllowed', `This ticket is not for the member "${named}".`);
  }
  return member ?? named ?? null;
}

function methodOf(deps: HttpDeps, { method }: PurchaseBody): PaymentRow['method'] {
  const provider = providerOf(deps);
  if (provider === null) throw paymentsNotConfigured();
  const isTest = method === 'test' || (method === undefined && provider === 'test');
  if (isTest !== (provider === 'test')) {
    if (provider === 'test') throw paymentsNotConfigured();
    throw new ProblemError(
      'invalid',
      'Method "test" is for development without keys of Stripe: leave it out, or take "paymentIntent" or "checkout".',
      { errors: [{ pointer: '/method', detail: 'is not there where Stripe takes the payments' }] },
    );
  }
  return isTest ? 'test' : (method ?? 'paymentIntent');
}

interface Begun {
  org: string;
  user: string | null;
  method: PaymentRow['method'];
  body: PurchaseBody;
}

/** The row, with all that the payment will be held to. */
async function begin(
  deps: HttpDeps,
  tx: Transaction,
  { org, user, method, body }: Begun,
): Promise<PaymentRow> {
  await requireKnown(tx, org);
  const { id, active } = extraMinutesPackages;
  const [sold] = await tx
    .select()
    .from(extraMinutesPackages)
    .where(and(eq(id, body.package), eq(active, true)));
  if (sold === undefined) throw packageUnknown(body.package);
  const prices = await pricesOf(tx, [sold.id]);
  const amountCents = priceIn(sold, prices, body.currency);
  if (amountCents === undefined) {
    throw noSuchPrice(body, [sold.currency, ...prices.map(({ currency }) => currency)]);
  }
  const [row] = await tx
    .insert(table)
    .values({
      id: randomUUID(),
      org,
      user,
      kind: 'purchase',
      method,
      package: sold.id,
      grantedMs: sold.grantedMs,
      amountCents,
      currency: body.currency ?? sold.currency,
      expiresAfterDays: sold.expiresAfterDays,
      livemode: deps.payments?.settings.livemode ?? false,
      startedAt: Math.floor(deps.meterNow()),
    })
    .returning();
  return row!;
}

/** @throws ProblemError */
async function start(deps: HttpDeps, row: PaymentRow, body: PurchaseBody) {
  if (row.method === 'test') return { clientSecret: null, checkoutUrl: null };
  const { payments } = deps;
  if (!payments) throw paymentsNotConfigured();
  const { stripe, settings } = payments;
  const { successUrl: success, cancelUrl: cancel, allowRedirects: allowsRedirects } = body;
  const urls = success === undefined || cancel === undefined ? null : { success, cancel };
  const { now, meterNow } = deps;
  // Events of an intent may have come before it was known whose they are.
  const asking = { db: deps.db.all, stripe, livemode: settings.livemode, now, meterNow };
  try {
    return await startAtStripe(asking, row, { urls, allowsRedirects });
  } catch (error) {
    if (!(error instanceof StripeTrouble)) throw error;
    throw problemOf(deps, error, row.id);
  }
}

/** Newest first, after (startedAt, id) of the last one shown. */
function listPurchases(
  db: Queryable,
  org: string,
  after: readonly [number, string] | undefined,
  limit: number,
): Promise<PaymentRow[]> {
  const { startedAt, id } = table;
  return db
    .select()
    .from(table)
    .where(
      and(
        eq(table.org, org),
        after && or(lt(startedAt, after[0]), and(eq(startedAt, after[0]), lt(id, after[1]))),
      ),
    )
    .orderBy(desc(startedAt), desc(id))
    .limit(limit);
}

function packageUnknown(name: string): ProblemError {
  return new ProblemError(
    'packageUnknown',
    `There is no package "${name}" on sale. GET /v1/extra-minutes/packages lists those there are.`,
  );
}

function noSuchPrice(body: PurchaseBody, has: readonly string[]): ProblemError {
  return new ProblemError(
    'invalid',
    `The package "${body.package}" has no price in ${body.currency}: take one of ${has.join(', ')}.`,
    { errors: [{ pointer: '/currency', detail: `must be one of ${has.join(', ')}` }] },
  );
}
