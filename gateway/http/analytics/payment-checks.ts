/** Comparisons with Stripe: what webhooks missed, and what a person has to look at. */
import { createRoute, z } from '@hono/zod-openapi';
import { desc, lt } from 'drizzle-orm';
import { paymentChecks } from '../../../drizzle/schema/payment-checks.ts';
import { audit } from '../audit.ts';
import { decodeCursor, isNumberKey, pageFrom } from '../cursor.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { backendSecurity } from '../openapi.ts';
import { actorOf, requireInstallation } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import {
  instant,
  instantOrNull,
  instantSchema,
  json,
  jsonBody,
  pageOf,
  pageQuery,
} from '../schemas.ts';

const DEFAULT_DAYS = 4;
/** Stripe tells what happened for so long. */
const MAX_DAYS = 30;

const checkSchema = z
  .object({
    check: z.int(),
    actor: z.string(),
    days: z.int(),
    requestedAt: instantSchema,
    startedAt: instantSchema.nullable(),
    doneAt: instantSchema.nullable(),
    looked: z.int().min(0).openapi({ description: 'Objects of Stripe that were compared.' }),
    missed: z
      .array(z.object({ payment: z.string(), what: z.string() }))
      .openapi({ description: 'What no webhook had told; it is put right.' }),
    leftOver: z
      .array(z.object({ object: z.string(), why: z.string() }))
      .openapi({ description: 'What a person has to look at.' }),
    failure: z.string().nullable(),
  })
  .openapi('PaymentCheck');

const listRoute = createRoute({
  method: 'get',
  path: '/v1/payment-checks',
  tags: ['analytics'],
  summary: 'Nightly comparisons with Stripe, and others, the newest first',
  security: backendSecurity,
  request: { query: pageQuery },
  responses: { 200: json(pageOf(checkSchema), 'A page of checks.'), ...problemResponses() },
});

const askRoute = createRoute({
  method: 'post',
  path: '/v1/payment-checks',
  tags: ['analytics'],
  summary: 'Compare the payments of the last days with Stripe, now',
  description: 'A worker does it; the list has the answer when `doneAt` is set.',
  security: backendSecurity,
  request: {
    headers: idempotencyHeader,
    ...jsonBody(z.strictObject({ days: z.int().min(1).max(MAX_DAYS).default(DEFAULT_DAYS) })),
  },
  responses: {
    201: json(checkSchema, 'Asked for.'),
    ...problemResponses('paymentsNotConfigured', 'idempotencyKeyReused'),
  },
});

type Row = typeof paymentChecks.$inferSelect;

function shown({ id, requestedAt, startedAt, doneAt, ...row }: Row): z.infer<typeof checkSchema> {
  return {
    check: id,
    ...row,
    requestedAt: instant(requestedAt),
    startedAt: instantOrNull(startedAt),
    doneAt: instantOrNull(doneAt),
  };
}

export function paymentCheckRoutes(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(listRoute, async (c) => {
    requireInstallation(c.get('principal'));
    const { cursor, limit } = c.req.valid('query');
    const before = decodeCursor('payment-checks', cursor, isNumberKey);
    const rows = await deps.db.all
      .select()
      .from(paymentChecks)
      .where(before && lt(paymentChecks.id, before[0]))
      .orderBy(desc(paymentChecks.id))
      .limit(limit + 1);
    const page = pageFrom('payment-checks', rows, limit, (row) => [row.id]);
    return c.json({ items: page.items.map(shown), nextCursor: page.nextCursor }, 200);
  });

  app.openapi(askRoute, async (c) => {
    const actor = actorOf(requireInstallation(c.get('principal')));
    const { days } = c.req.valid('json');
    if (!deps.payments) {
      throw new ProblemError(
        'paymentsNotConfigured',
        'There is no Stripe to compare with: set STRIPE_SECRET_KEY.',
      );
    }
    const { body } = await writeOnce<z.infer<typeof checkSchema>>(c, deps.db.all, {
      run: async (tx) => {
        const values = { actor, days, requestedAt: deps.now() };
        const [row] = await tx.insert(paymentChecks).values(values).returning();
        await audit(tx, {
          actor,
          action: 'paymentCheck',
          subject: String(row!.id),
          at: deps.now(),
        });
        return { status: 201, body: shown(row!) };
      },
    });
    return c.json(body, 201);
  });
  return app;
}
