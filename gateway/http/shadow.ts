/** What enforcement would have refused or stopped: to look at before it is switched on. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, count, desc, eq, gte, lt } from 'drizzle-orm';
import type { Queryable } from '../../drizzle/client.ts';
import { organizations } from '../../drizzle/schema/organizations.ts';
import { plans } from '../../drizzle/schema/plans.ts';
import { shadowDecisions } from '../../drizzle/schema/shadow.ts';
import { afterKey, decodeCursor, isTwoNumbersKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { organizationUnknown } from './live-budgets.ts';
import { backendSecurity } from './openapi.ts';
import { requireBackend } from './principal.ts';
import { problemResponses } from './problem.ts';
import { newRouter } from './router.ts';
import {
  givenInstant,
  idSchema,
  instant,
  instantOrNull,
  instantSchema,
  json,
  orgParams,
  pageOf,
  pageQuery,
} from './schemas.ts';

const whatSchema = z.enum(['refused', 'stopped']);

const decisionSchema = z
  .object({
    at: instantSchema.openapi({
      description: 'Meter time; of a stop, when what went beyond the limit was settled.',
    }),
    what: whatSchema,
    reason: z.string().openapi({ example: 'limitReached' }),
    binding: z.string().openapi({ example: 'organization' }),
    user: idSchema('ann').nullable(),
    session: idSchema('interview-7')
      .nullable()
      .openapi({ description: 'null: a check was asked.' }),
    feature: idSchema('analysis').nullable(),
    period: instantSchema.nullable().openapi({ description: 'Start of its billing period.' }),
    unit: z.enum(['ms', 'count', 'bytes']),
    used: z.int().min(0),
    allowed: z.int().min(0),
    wanted: z.int().min(0).nullable().openapi({ description: 'What was asked for.' }),
  })
  .openapi('ShadowDecision');

const shadowSchema = pageOf(decisionSchema)
  .extend({
    enforcement: z.enum(['enforce', 'shadow']).openapi({ description: 'Of the plan, now.' }),
    counts: z
      .array(
        z.object({ what: whatSchema, reason: z.string(), binding: z.string(), count: z.int() }),
      )
      .openapi({ description: 'Over the whole range, most first; every page says them.' }),
  })
  .openapi('Shadow');

const shadowRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/shadow',
  tags: ['usage'],
  summary: 'What would have been refused or stopped, newest first',
  description:
    'Written while the plan’s `enforcement` is `shadow`: a start once for a session, a stop once for ' +
    'a session, limit and period. A check of a feature’s pieces or of a file’s size that would have been refused: once a member, ' +
    'limit and local day. Of time and places a start tells.',
  security: backendSecurity,
  request: {
    params: orgParams,
    query: pageQuery.extend({
      what: whatSchema.optional(),
      user: idSchema('ann').optional(),
      from: givenInstant.optional().openapi({ description: 'From this instant on.' }),
      to: givenInstant.optional().openapi({ description: 'Before this instant.' }),
    }),
  },
  responses: {
    200: json(shadowSchema, 'Counts, and a page of decisions.'),
    ...problemResponses('organizationUnknown'),
  },
});

const table = shadowDecisions;

export function shadow(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(shadowRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { cursor, limit, what, user, from, to } = c.req.valid('query');
    const before = decodeCursor('shadow', cursor, isTwoNumbersKey);
    const db = deps.db.of(org);
    const asked = and(
      eq(table.org, org),
      what === undefined ? undefined : eq(table.what, what),
      user === undefined ? undefined : eq(table.user, user),
      from === undefined ? undefined : gte(table.decidedAt, from),
      to === undefined ? undefined : lt(table.decidedAt, to),
    );
    const { decidedAt, id } = table;
    const [enforcement, rows, counts] = await Promise.all([
      enforcementOf(db, org),
      db
        .select()
        .from(table)
        .where(and(asked, afterKey([decidedAt, id], before)))
        .orderBy(desc(decidedAt), desc(id))
        .limit(limit + 1),
      db
        .select({ what: table.what, reason: table.reason, binding: table.binding, count: count() })
        .from(table)
        .where(asked)
        .groupBy(table.what, table.reason, table.binding)
        .orderBy(desc(count()), table.what, table.reason, table.binding),
    ]);
    const page = pageFrom('shadow', rows, limit, (row) => [row.decidedAt, row.id]);
    const items = page.items.map(
      ({
        decidedAt,
        what,
        reason,
        binding,
        user,
        session,
        feature,
        period,
        unit,
        used,
        allowed,
        wanted,
      }) => ({
        ...{ at: instant(decidedAt), what, reason, binding, user, session, feature },
        ...{ period: instantOrNull(period), unit, used, allowed, wanted },
      }),
    );
    return c.json({ enforcement, counts, items, nextCursor: page.nextCursor }, 200);
  });
  return app;
}

async function enforcementOf(db: Queryable, org: string): Promise<'enforce' | 'shadow'> {
  const [row] = await db
    .select({ enforcement: plans.enforcement })
    .from(organizations)
    .innerJoin(plans, eq(plans.id, organizations.plan))
    .where(eq(organizations.id, org));
  if (row === undefined) throw organizationUnknown(org);
  return row.enforcement;
}
