/** Members: people in an organization, each with a limit of its own if it has one. */
import { createRoute } from '@hono/zod-openapi';
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '../../drizzle/client.ts';
import { applyMember } from '../../drizzle/queries/apply-limits.ts';
import { organizationMembers, organizations } from '../../drizzle/schema/organizations.ts';
import { audit } from './audit.ts';
import { decodeCursor, isTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { type Effect, idempotencyHeader, writeOnce } from './idempotency.ts';
import { organizationUnknown } from './live-budgets.ts';
import { backendOrTicketSecurity, backendSecurity } from './openapi.ts';
import {
  type MemberBody,
  type MemberShown,
  memberBodySchema,
  memberSchema,
  memberShown,
  memberValues,
} from './organization-schema.ts';
import { actorOf, requireBackend, requireMember } from './principal.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { pushLimits } from './push-limits.ts';
import { newRouter } from './router.ts';
import {
  idSchema,
  json,
  jsonBody,
  orgParams,
  pageOf,
  pageQuery,
  samePathAndBody,
} from './schemas.ts';

const memberParams = orgParams.extend({ user: idSchema('ann') });

const listRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/members',
  tags: ['organizations'],
  summary: 'The members of an organization',
  security: backendSecurity,
  request: { params: orgParams, query: pageQuery },
  responses: {
    200: json(pageOf(memberSchema), 'A page of members, by id.'),
    ...problemResponses('organizationUnknown'),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/members/{user}',
  tags: ['organizations'],
  summary: 'One member',
  security: backendOrTicketSecurity,
  request: { params: memberParams },
  responses: {
    200: json(memberSchema, 'The member.'),
    ...problemResponses('organizationUnknown', 'memberUnknown'),
  },
});

const putRoute = createRoute({
  method: 'put',
  path: '/v1/orgs/{org}/members/{user}',
  tags: ['organizations'],
  summary: 'Make or replace a member',
  description: 'What is left out takes its default. A member is also made by its first ticket.',
  security: backendSecurity,
  request: { params: memberParams, headers: idempotencyHeader, ...jsonBody(memberBodySchema) },
  responses: {
    200: json(memberSchema, 'Replaced.'),
    201: json(memberSchema, 'Made.'),
    ...problemResponses('organizationUnknown', 'idempotencyKeyReused'),
  },
});

export function members(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(listRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { cursor, limit } = c.req.valid('query');
    const after = decodeCursor('members', cursor, isTextKey)?.[0];
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const rows = await db
      .select()
      .from(organizationMembers)
      .where(
        and(
          eq(organizationMembers.org, org),
          after === undefined ? undefined : gt(organizationMembers.user, after),
        ),
      )
      .orderBy(asc(organizationMembers.user))
      .limit(limit + 1);
    return c.json(
      pageFrom('members', rows.map(memberShown), limit, ({ user }) => [user]),
      200,
    );
  });

  app.openapi(getRoute, async (c) => {
    const { org, user } = c.req.valid('param');
    requireMember(c.get('principal'), org, user);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const [row] = await db
      .select()
      .from(organizationMembers)
      .where(and(eq(organizationMembers.org, org), eq(organizationMembers.user, user)));
    if (row === undefined) {
      throw new ProblemError('memberUnknown', `There is no member "${user}" in "${org}".`);
    }
    return c.json(memberShown(row), 200);
  });

  app.openapi(putRoute, async (c) => {
    const { org, user } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const body = c.req.valid('json');
    samePathAndBody('org', org, body.org);
    samePathAndBody('user', user, body.user);
    const answer = await writeOnce(c, deps.db.of(org), {
      run: async (tx) => {
        await requireKnown(tx, org);
        const effect = await putMember(tx, org, user, body, deps.now());
        // Who it is stays out of the audit log: ids there are pseudonymous.
        const { minutes, concurrentSessions, sessionsPerDay, features } = effect.body;
        const detail = { minutes, concurrentSessions, sessionsPerDay, features };
        await audit(tx, {
          actor,
          action: 'member.put',
          org,
          subject: user,
          detail,
          at: deps.now(),
        });
        return effect;
      },
    });
    await pushLimits(deps, [org], user);
    return c.json(answer.body, answer.status);
  });

  return app;
}

/** Throws 404 `organizationUnknown`. */
export async function requireKnown(db: Queryable, org: string): Promise<void> {
  const found = await db
    .select({ id: organizations.id })
    .from(organizations)
    .where(eq(organizations.id, org));
  if (found.length === 0) throw organizationUnknown(org);
}

/**
 * A member nobody introduced: made by its first ticket, with no limit of its own. One statement, for
 * it is asked with every ticket. Throws 404 where there is no such organization.
 */
export async function makeMember(db: Queryable, org: string, user: string): Promise<void> {
  if (!(await introduceMember(db, org, user))) throw organizationUnknown(org);
}

/** False where there is no such organization. */
export async function introduceMember(db: Queryable, org: string, user: string): Promise<boolean> {
  const known = await db.execute(sql`
    with known as (select id from organizations where id = ${org}),
      made as (insert into organization_members (org, user_id) select id, ${user} from known
               on conflict do nothing)
    select 1 from known`);
  return known.length > 0;
}

async function putMember(
  tx: Transaction,
  org: string,
  user: string,
  body: MemberBody,
  now: number,
): Promise<Effect<MemberShown>> {
  const values = { ...memberValues(body), updatedAt: now };
  const [made] = await tx
    .insert(organizationMembers)
    .values({ org, user, ...values, createdAt: now })
    .onConflictDoNothing()
    .returning();
  // Told to the meter even if it is new: a member that was never introduced may be recording.
  await applyMember(tx, org, user);
  if (made !== undefined) return { status: 201, body: memberShown(made) };
  const [row] = await tx
    .update(organizationMembers)
    .set(values)
    .where(and(eq(organizationMembers.org, org), eq(organizationMembers.user, user)))
    .returning();
  return { status: 200, body: memberShown(row!) };
}
