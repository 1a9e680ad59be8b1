/** Organizations: plan, calendar, own limit, suspension. A change reaches running sessions. */
import { createRoute } from '@hono/zod-openapi';
import { and, asc, eq, gt, inArray } from 'drizzle-orm';
import type { Transaction } from '../../drizzle/client.ts';
import { applyGrant, applyLimits } from '../../drizzle/queries/apply-limits.ts';
import { shortenAhead } from '../../drizzle/queries/shorten-ahead.ts';
import { organizations as organizationTable } from '../../drizzle/schema/organizations.ts';
import { plans } from '../../drizzle/schema/plans.ts';
import { audit } from './audit.ts';
import { decodeCursor, isTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { type Effect, idempotencyHeader, writeOnce } from './idempotency.ts';
import { organizationUnknown } from './live-budgets.ts';
import { backendOrTicketSecurity, backendSecurity } from './openapi.ts';
import {
  type OrganizationBody,
  type OrganizationShown,
  organizationBodySchema,
  organizationSchema,
  organizationShown,
  organizationValues,
} from './organization-schema.ts';
import { actorOf, requireBackend, requireOrganization } from './principal.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { pushLimits } from './push-limits.ts';
import { newRouter } from './router.ts';
import { json, jsonBody, orgParams, pageOf, pageQuery, samePathAndBody } from './schemas.ts';
import { visibleTo } from './visible.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/orgs',
  tags: ['organizations'],
  summary: 'All organizations that the key sees',
  security: backendSecurity,
  request: { query: pageQuery },
  responses: {
    200: json(pageOf(organizationSchema), 'A page of organizations, by id.'),
    ...problemResponses(),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}',
  tags: ['organizations'],
  summary: 'One organization',
  security: backendOrTicketSecurity,
  request: { params: orgParams },
  responses: {
    200: json(organizationSchema, 'The organization.'),
    ...problemResponses('organizationUnknown'),
  },
});

const putRoute = createRoute({
  method: 'put',
  path: '/v1/orgs/{org}',
  tags: ['organizations'],
  summary: 'Make or replace an organization',
  description:
    'What is left out takes its default. The lower one of its own limit and the plan’s counts. ' +
    'A new calendar holds from the end of the present period.',
  security: backendSecurity,
  request: { params: orgParams, headers: idempotencyHeader, ...jsonBody(organizationBodySchema) },
  responses: {
    200: json(organizationSchema, 'Replaced.'),
    201: json(organizationSchema, 'Made.'),
    ...problemResponses('idempotencyKeyReused', ['planUnknown', 422]),
  },
});

export function organizations(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(listRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    const { orgs } = principal;
    const { cursor, limit } = c.req.valid('query');
    const after = decodeCursor('orgs', cursor, isTextKey)?.[0];
    const rows = await visibleTo(deps, principal)
      .select()
      .from(organizationTable)
      .where(
        and(
          orgs === null ? undefined : inArray(organizationTable.id, [...orgs]),
          after === undefined ? undefined : gt(organizationTable.id, after),
        ),
      )
      .orderBy(asc(organizationTable.id))
      .limit(limit + 1);
    return c.json(
      pageFrom('orgs', rows.map(organizationShown), limit, ({ org }) => [org]),
      200,
    );
  });

  app.openapi(getRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireOrganization(c.get('principal'), org);
    const [row] = await deps.db
      .of(org)
      .select()
      .from(organizationTable)
      .where(eq(organizationTable.id, org));
    if (row === undefined) throw organizationUnknown(org);
    return c.json(organizationShown(row), 200);
  });

  app.openapi(putRoute, async (c) => {
    const { org } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const body = c.req.valid('json');
    samePathAndBody('org', org, body.org);
    const answer = await writeOnce(c, deps.db.of(org), {
      run: async (tx) => {
        const effect = await putOrganization(tx, org, body, deps);
        const detail = { ...effect.body };
        await audit(tx, { actor, action: 'organization.put', org, detail, at: deps.now() });
        return effect;
      },
    });
    // Nobody records on a new one; its first session brings its limits along.
    if (answer.status === 200) await pushLimits(deps, [org]);
    return c.json(answer.body, answer.status);
  });

  return app;
}

async function putOrganization(
  tx: Transaction,
  org: string,
  body: OrganizationBody,
  { now, meterNow }: Pick<HttpDeps, 'now' | 'meterNow'>,
): Promise<Effect<OrganizationShown>> {
  // Shared, so that the plan cannot change between here and the limits that are made of it.
  const [plan] = await tx
    .select({ id: plans.id })
    .from(plans)
    .where(eq(plans.id, body.plan))
    .for('share');
  if (plan === undefined) throw planUnknown(body.plan);
  const values = { ...organizationValues(body), updatedAt: now() };
  const [made] = await tx
    .insert(organizationTable)
    .values({ id: org, ...values, createdAt: now() })
    .onConflictDoNothing()
    .returning();
  if (made !== undefined) return { status: 201, body: organizationShown(made) };
  const [before] = await tx
    .select()
    .from(organizationTable)
    .where(eq(organizationTable.id, org))
    .for('update');
  const [row] = await tx
    .update(organizationTable)
    .set(values)
    .where(eq(organizationTable.id, org))
    .returning();
  // A new calendar holds from the end of the running period, not of one that was made ahead.
  await shortenAhead(tx, [org], Math.floor(meterNow()));
  await applyLimits(tx, [org], Math.floor(meterNow()));
  // To the meter a suspension is part of the account, as grants are.
  if (before!.suspended !== row!.suspended) await applyGrant(tx, org);
  return { status: 200, body: organizationShown(row!) };
}

function planUnknown(plan: string): ProblemError {
  return new ProblemError(
    'planUnknown',
    `There is no plan "${plan}". Make it first: PUT /v1/plans/${plan}.`,
    { status: 422, errors: [{ pointer: '/plan', detail: `"${plan}" is not a plan` }] },
  );
}
