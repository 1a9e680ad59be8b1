/** Extra minutes: what an organization has, lot by lot. What can be bought: payments/packages.ts. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, asc, eq } from 'drizzle-orm';
import { extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { afterKey, decodeCursor, isNumberAndTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { readLiveBudgets } from './live-budgets.ts';
import { debtMsOf, lotSchema, lotShown } from './lot-shown.ts';
import { backendOrTicketSecurity } from './openapi.ts';
import { overdueSchema, readOverdue } from './payments/overdue.ts';
import { requireOrganization } from './principal.ts';
import { problemResponses } from './problem.ts';
import { newRouter } from './router.ts';
import { durationMsSchema, json, orgParams, pageQuery } from './schemas.ts';

const balanceSchema = z
  .object({
    remainingMs: durationMsSchema.openapi({ description: 'Live: what is not settled counts.' }),
    debtMs: durationMsSchema.openapi({ description: 'Of all lots together.' }),
    overdue: overdueSchema.nullable().openapi({ description: 'An unpaid invoice; null = none.' }),
    lots: z.array(lotSchema).openapi({ description: 'A page, oldest first.' }),
    nextCursor: z.string().nullable(),
  })
  .openapi('ExtraMinutes');

const balanceRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/extra-minutes',
  tags: ['extra minutes'],
  summary: 'What an organization has, lot by lot',
  security: backendOrTicketSecurity,
  request: { params: orgParams, query: pageQuery },
  responses: {
    200: json(balanceSchema, 'Balance and lots.'),
    ...problemResponses('organizationUnknown', 'meterUnavailable'),
  },
});

export function extraMinutes(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(balanceRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireOrganization(c.get('principal'), org);
    const { cursor, limit } = c.req.valid('query');
    const after = decodeCursor('lots', cursor, isNumberAndTextKey);
    const { organization } = await readLiveBudgets(deps, org, null);
    const rows = await lotsAfter(deps, org, after, limit + 1);
    const page = pageFrom('lots', rows, limit, (row) => [row.purchasedAt, row.id]);
    return c.json(
      {
        remainingMs: organization.extraRemainingMs,
        debtMs: await debtMsOf(deps.db.of(org), org),
        overdue: await readOverdue(deps.db.of(org), org),
        lots: page.items.map(lotShown),
        nextCursor: page.nextCursor,
      },
      200,
    );
  });

  return app;
}

function lotsAfter(
  { db }: HttpDeps,
  org: string,
  after: readonly [number, string] | undefined,
  limit: number,
) {
  const { purchasedAt, id } = extraMinutesPurchases;
  return db
    .of(org)
    .select()
    .from(extraMinutesPurchases)
    .where(and(eq(extraMinutesPurchases.org, org), afterKey([purchasedAt, id], after, 'asc')))
    .orderBy(asc(purchasedAt), asc(id))
    .limit(limit);
}
