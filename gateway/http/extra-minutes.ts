/** Extra minutes: what can be bought, what an organization has, lot by lot. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, asc, eq, gt, or } from 'drizzle-orm';
import { extraMinutesPackages, extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { decodeCursor, isNumberAndTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { readLiveBudgets } from './live-budgets.ts';
import { debtMsOf, lotSchema, lotShown } from './lot-shown.ts';
import { backendOrTicketSecurity } from './openapi.ts';
import { requireOrganization } from './principal.ts';
import { problemResponses } from './problem.ts';
import { newRouter } from './router.ts';
import { durationMsSchema, idSchema, json, orgParams, pageOf, pageQuery } from './schemas.ts';

const packageSchema = z
  .object({
    package: idSchema('minutes-60'),
    name: z.string(),
    grantedMs: durationMsSchema,
    priceCents: z.int().min(0),
    currency: z.string().openapi({ example: 'usd' }),
  })
  .openapi('ExtraMinutesPackage');

const balanceSchema = z
  .object({
    remainingMs: durationMsSchema.openapi({ description: 'Live: what is not settled counts.' }),
    debtMs: durationMsSchema.openapi({ description: 'Of all lots together.' }),
    lots: z.array(lotSchema).openapi({ description: 'A page, oldest first.' }),
    nextCursor: z.string().nullable(),
  })
  .openapi('ExtraMinutes');

const packagesRoute = createRoute({
  method: 'get',
  path: '/v1/extra-minutes/packages',
  tags: ['extra minutes'],
  summary: 'What can be bought',
  security: backendOrTicketSecurity,
  request: { query: pageQuery },
  responses: {
    200: json(pageOf(packageSchema), 'A page of the packages on sale, small to large.'),
    ...problemResponses(),
  },
});

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

  app.openapi(packagesRoute, async (c) => {
    const { cursor, limit } = c.req.valid('query');
    const after = decodeCursor('packages', cursor, isNumberAndTextKey);
    const { grantedMs: size, id: name, active } = extraMinutesPackages;
    const rows = await deps.db.all
      .select()
      .from(extraMinutesPackages)
      .where(
        and(
          eq(active, true),
          after && or(gt(size, after[0]), and(eq(size, after[0]), gt(name, after[1]))),
        ),
      )
      .orderBy(asc(size), asc(name))
      .limit(limit + 1);
    const page = pageFrom('packages', rows, limit, (row) => [row.grantedMs, row.id]);
    const items = page.items.map(({ id, name, grantedMs, priceCents, currency }) => ({
      package: id,
      name,
      grantedMs,
      priceCents,
      currency,
    }));
    return c.json({ items, nextCursor: page.nextCursor }, 200);
  });

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
    .where(
      and(
        eq(extraMinutesPurchases.org, org),
        after === undefined
          ? undefined
          : or(gt(purchasedAt, after[0]), and(eq(purchasedAt, after[0]), gt(id, after[1]))),
      ),
    )
    .orderBy(asc(purchasedAt), asc(id))
    .limit(limit);
}
