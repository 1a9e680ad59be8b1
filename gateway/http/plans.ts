/** Plans: what organizations subscribe to. A change reaches every organization of the plan. */
import { createRoute, z } from '@hono/zod-openapi';
import { asc, desc, eq, gt, sql } from 'drizzle-orm';
import type { Transaction } from '../../drizzle/client.ts';
import { applyPlan } from '../../drizzle/queries/apply-limits.ts';
import { organizations } from '../../drizzle/schema/organizations.ts';
import { plans as planTable } from '../../drizzle/schema/plans.ts';
import { audit } from './audit.ts';
import { decodeCursor, isTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { idempotencyHeader, writeOnce } from './idempotency.ts';
import { backendSecurity } from './openapi.ts';
import { planShown, planValues } from './plan-row.ts';
import { type PlanBody, type PlanShown, planBodySchema, planSchema } from './plan-schema.ts';
import { actorOf, requireBackend, requireInstallation } from './principal.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { MAX_ORGANIZATIONS_PUSHED, pushLimits } from './push-limits.ts';
import { newRouter } from './router.ts';
import { idSchema, json, jsonBody, pageOf, pageQuery, samePathAndBody } from './schemas.ts';

const planParams = z.object({ plan: idSchema('pro') });

const listRoute = createRoute({
  method: 'get',
  path: '/v1/plans',
  tags: ['plans'],
  summary: 'All plans',
  security: backendSecurity,
  request: { query: pageQuery },
  responses: { 200: json(pageOf(planSchema), 'A page of plans, by id.'), ...problemResponses() },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/plans/{plan}',
  tags: ['plans'],
  summary: 'One plan',
  security: backendSecurity,
  request: { params: planParams },
  responses: { 200: json(planSchema, 'The plan.'), ...problemResponses('planUnknown') },
});

const putRoute = createRoute({
  method: 'put',
  path: '/v1/plans/{plan}',
  tags: ['plans'],
  summary: 'Make or replace a plan',
  description:
    'What is left out takes its default. Running sessions of its organizations see a higher limit ' +
    'within a second; a lower one holds once what is open has been settled by the old figures.',
  security: backendSecurity,
  request: { params: planParams, headers: idempotencyHeader, ...jsonBody(planBodySchema) },
  responses: {
    200: json(planSchema, 'Replaced.'),
    201: json(planSchema, 'Made.'),
    ...problemResponses('idempotencyKeyReused'),
  },
});

export function plans(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(listRoute, async (c) => {
    requireBackend(c.get('principal'));
    const { cursor, limit } = c.req.valid('query');
    const after = decodeCursor('plans', cursor, isTextKey)?.[0];
    const rows = await deps.db.all
      .select()
      .from(planTable)
      .where(after === undefined ? undefined : gt(planTable.id, after))
      .orderBy(asc(planTable.id))
      .limit(limit + 1);
    return c.json(
      pageFrom('plans', rows.map(planShown), limit, ({ plan }) => [plan]),
      200,
    );
  });

  app.openapi(getRoute, async (c) => {
    requireBackend(c.get('principal'));
    const { plan } = c.req.valid('param');
    const [row] = await deps.db.all.select().from(planTable).where(eq(planTable.id, plan));
    if (row === undefined) throw planUnknown(plan);
    return c.json(planShown(row), 200);
  });

  app.openapi(putRoute, async (c) => {
    const actor = actorOf(requireInstallation(c.get('principal')));
    const { plan } = c.req.valid('param');
    const body = c.req.valid('json');
    samePathAndBody('plan', plan, body.plan);
    const answer = await writeOnce(c, deps.db.all, {
      run: async (tx) => {
        const effect = await putPlan(tx, plan, body, deps);
        await audit(tx, {
          actor,
          action: 'plan.put',
          subject: plan,
          detail: { ...effect.body },
          at: deps.now(),
        });
        return effect;
      },
    });
    if (answer.status === 200) await pushLimits(deps, await subscribers(deps, plan));
    return c.json(answer.body, answer.status);
  });

  return app;
}

async function putPlan(
  tx: Transaction,
  plan: string,
  body: PlanBody,
  { now, meterNow }: Pick<HttpDeps, 'now' | 'meterNow'>,
): Promise<{ status: 200 | 201; body: PlanShown }> {
  const values = { ...planValues(body), updatedAt: now() };
  const [made] = await tx
    .insert(planTable)
    .values({ id: plan, ...values, createdAt: now() })
    .onConflictDoNothing()
    .returning();
  if (made !== undefined) return { status: 201, body: planShown(made) };
  const [row] = await tx.update(planTable).set(values).where(eq(planTable.id, plan)).returning();
  await applyPlan(tx, plan, Math.floor(meterNow()));
  return { status: 200, body: planShown(row!) };
}

/** Those who record at this moment first: the others hear of it from the worker in time. */
async function subscribers({ db }: HttpDeps, plan: string): Promise<string[]> {
  const isLive = sql`(${organizations.id} in (select org from sessions where state = 'live'))`;
  const rows = await db.all
    .select({ org: organizations.id })
    .from(organizations)
    .where(eq(organizations.plan, plan))
    .orderBy(desc(isLive), asc(organizations.id))
    .limit(MAX_ORGANIZATIONS_PUSHED);
  return rows.map(({ org }) => org);
}

function planUnknown(plan: string): ProblemError {
  return new ProblemError('planUnknown', `There is no plan "${plan}". GET /v1/plans lists them.`);
}
