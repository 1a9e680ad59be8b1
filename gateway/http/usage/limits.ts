/** Every limit that holds for an organization or a member, where it comes from, and what it leaves. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, eq, sql } from 'drizzle-orm';
import type { Queryable } from '../../../drizzle/client.ts';
import { organizationMembers, organizations } from '../../../drizzle/schema/organizations.ts';
import { billingPeriods } from '../../../drizzle/schema/periods.ts';
import { plans } from '../../../drizzle/schema/plans.ts';
import { placesNow } from '../admission/places-now.ts';
import type { HttpDeps } from '../deps.ts';
import { readAllPieces } from '../features/piece-counts.ts';
import { windowsAt } from '../features/quota-windows.ts';
import { organizationUnknown, readLiveBudgets } from '../live-budgets.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { requireMember, requireOrganization } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { durationMsSchema, idSchema, instant, instantSchema, json, orgParams } from '../schemas.ts';
import { bindingLimit, type Figures, type Limit, limitsOf } from './limit-list.ts';
import { hoursOfMs } from './range.ts';

const hoursSchema = z
  .object({
    limit: z.number().nullable(),
    used: z.number().nullable(),
    remaining: z.number().nullable(),
  })
  .openapi({ description: 'The same in hours, where it is time.' });

const limitSchema = z
  .object({
    name: z.enum([
      'recordingTime',
      'sessionLength',
      'concurrentSessions',
      'sessionsPerDay',
      'fileBytes',
      'feature',
    ]),
    feature: z.string().nullable(),
    per: z.enum(['day', 'month']).nullable().openapi({
      description: 'Of a feature: what its pieces are counted by. Without a number, by the month.',
    }),
    of: z.enum(['organization', 'member', 'session']).openapi({ description: 'What it counts.' }),
    from: z.enum(['plan', 'organization', 'member']).openapi({ description: 'Who set it.' }),
    unit: z.enum(['ms', 'count', 'bytes']),
    limit: z.number().nullable().openapi({ description: 'null = unlimited' }),
    used: z.number().nullable().openapi({ description: 'null: nothing is counted against it.' }),
    remaining: z.number().nullable().openapi({ description: 'Extra minutes not in it.' }),
    hours: hoursSchema.nullable(),
    inForce: z.boolean().openapi({
      description: 'Of several on the same thing the lowest is, and one without a limit never.',
    }),
  })
  .openapi('UsageLimit');

const limitsSchema = z
  .object({
    at: instantSchema,
    enforcement: z.enum(['enforce', 'shadow']),
    atLimit: z.enum(['stop', 'overage']),
    adjustedMs: z
      .int()
      .openapi({ description: 'By hand, in this period; in `remaining` already.' }),
    extraRemainingMs: durationMsSchema,
    extraRemainingHours: z.number().min(0),
    limits: z.array(limitSchema),
    binding: z
      .object({ of: limitSchema.shape.of, from: limitSchema.shape.from, remainingMs: z.int() })
      .nullable()
      .openapi({
        description:
          'What would end a recording that starts now, extra minutes and overage counted; null: nothing.',
      }),
  })
  .openapi('UsageLimits');

const limitsRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/usage/limits',
  tags: ['usage'],
  summary: 'Every limit that holds, where it comes from, and what remains',
  description: 'Live, from the meter. With `user`, also what holds for that member.',
  security: backendOrTicketSecurity,
  request: { params: orgParams, query: z.object({ user: idSchema('ann').optional() }) },
  responses: {
    200: json(limitsSchema, 'The limits.'),
    ...problemResponses('organizationUnknown', 'meterUnavailable'),
  },
});

export function usageLimits(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(limitsRoute, async (c) => {
    const { org } = c.req.valid('param');
    const { user } = c.req.valid('query');
    if (user === undefined) requireOrganization(c.get('principal'), org);
    else requireMember(c.get('principal'), org, user);
    const { at, figures } = await readFigures(deps, org, user ?? null);
    const { plan, adjustedMs, row } = figures;
    return c.json(
      {
        at: instant(at),
        ...{ enforcement: plan.enforcement, atLimit: plan.atLimit, adjustedMs },
        extraRemainingMs: row.extraRemainingMs,
        extraRemainingHours: hoursOfMs(row.extraRemainingMs),
        limits: limitsOf(figures).map(shown),
        binding: bindingLimit(figures),
      },
      200,
    );
  });
  return app;
}

async function readFigures(
  deps: HttpDeps,
  org: string,
  user: string | null,
): Promise<{ at: number; figures: Figures }> {
  const db = deps.db.of(org);
  const {
    at,
    period,
    organization: row,
    member: memberRow,
  } = await readLiveBudgets(deps, org, user);
  const [known] = await db
    .select({ organization: organizations, plan: plans, adjustedMs: billingPeriods.adjustedMs })
    .from(organizations)
    .innerJoin(plans, eq(plans.id, organizations.plan))
    .innerJoin(
      billingPeriods,
      sql`${billingPeriods.org} = ${organizations.id}
          and ${billingPeriods.startsAt} = from_epoch_ms(${period.startsAt})`,
    )
    .where(eq(organizations.id, org));
  if (known === undefined) throw organizationUnknown(org);
  const { plan, organization, adjustedMs } = known;
  const windows = windowsAt(at, organization.timeZone, period);
  const [member, places, pieces] = await Promise.all([
    user === null ? null : readMember(db, org, user),
    placesNow(deps, org, user, windows.day),
    readAllPieces(db, { org, user, windows }),
  ]);
  const organizationMs = organization.quotaMs;
  return {
    at,
    figures: { plan, adjustedMs, row, memberRow, organizationMs, member, places, pieces },
  };
}

/** A member that was never made has no limit of its own. */
async function readMember(db: Queryable, org: string, user: string): Promise<Figures['member']> {
  const { quotaMs, concurrentSessions, sessionsPerDay, features } = organizationMembers;
  const [row] = await db
    .select({ quotaMs, concurrentSessions, sessionsPerDay, features })
    .from(organizationMembers)
    .where(and(eq(organizationMembers.org, org), eq(organizationMembers.user, user)));
  return row ?? { quotaMs: null, concurrentSessions: null, sessionsPerDay: null, features: {} };
}

function shown(it: Limit): z.infer<typeof limitSchema> {
  const { limit, used, remaining, unit } = it;
  const hours = (ms: number | null) => (ms === null ? null : hoursOfMs(ms));
  const inHours = { limit: hours(limit), used: hours(used), remaining: hours(remaining) };
  return { ...it, hours: unit === 'ms' ? inHours : null };
}
