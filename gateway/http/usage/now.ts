/** Usage now: of an organization, or of one member in it. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, count, eq, gte, lte } from 'drizzle-orm';
import type { Database } from '../../../drizzle/client.ts';
import { sessions } from '../../../drizzle/schema/sessions.ts';
import type { HttpDeps } from '../deps.ts';
import { readLiveBudgets } from '../live-budgets.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { overdueSchema, readOverdue } from '../payments/overdue.ts';
import { requireMember, requireOrganization } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { bySourceSchema, httpReadingOf, readingSchema } from '../reading.ts';
import { newRouter } from '../router.ts';
import { idSchema, instant, instantOrNull, instantSchema, json, orgParams } from '../schemas.ts';
import { type Forecast, forecastOf } from './forecast.ts';
import { readPast } from './past.ts';
import { hoursOfMs } from './range.ts';

const forecastSchema = z
  .object({
    endsAt: instantSchema.nullable().openapi({
      description: 'When it runs out; null = not in this period, as far as can be seen.',
    }),
    confidence: z.number().min(0).max(1).openapi({
      description:
        'How far that may be trusted: 0 when nothing is known, near 1 when the end is near.',
    }),
    method: z.enum(['none', 'burnRate', 'trend', 'burnRateAndTrend']).openapi({
      description:
        'What it rests on: sessions recording now, the past days, or first the one and then the other.',
    }),
    periodUsedMs: z.int().min(0).nullable().openapi({
      description: 'What will be used when the period ends, if nothing stops it.',
    }),
    dayMs: z.int().min(0).openapi({ description: 'What the past days let expect of a day.' }),
  })
  .openapi('Forecast');

const usageSchema = readingSchema
  .extend({
    period: z.object({ startsAt: instantSchema, endsAt: instantSchema }),
    bySource: bySourceSchema,
    sessions: z.int().min(0).openapi({ description: 'That drew on this period.' }),
    hours: z
      .object({
        used: z.number().min(0),
        limit: z.number().min(0).nullable(),
        remaining: z.number().min(0).nullable(),
      })
      .openapi({ description: 'The same figures in hours, not rounded.' }),
    forecast: forecastSchema,
    overdue: overdueSchema.nullable().openapi({ description: 'An unpaid invoice; null = none.' }),
  })
  .openapi('Usage');

const usageRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/usage',
  tags: ['usage'],
  summary: 'What is used and what remains, now',
  description:
    'Live, from the meter: minutes that are not settled yet are in it. With `user`, the figures ' +
    'of that member’s own budget.',
  security: backendOrTicketSecurity,
  request: {
    params: orgParams,
    query: z.object({ user: idSchema('ann').optional() }),
  },
  responses: {
    200: json(usageSchema, 'The reading of the budget asked for, and its period.'),
    ...problemResponses('organizationUnknown', 'meterUnavailable'),
  },
});

export function usageNow(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(usageRoute, async (c) => {
    const { org } = c.req.valid('param');
    const { user } = c.req.valid('query');
    if (user === undefined) requireOrganization(c.get('principal'), org);
    else requireMember(c.get('principal'), org, user);

    const { at, period, organization, member } = await readLiveBudgets(deps, org, user ?? null);
    const row = member ?? organization;
    const db = deps.db.of(org);
    const [sessions, past, overdue] = await Promise.all([
      countSessions(db, org, user, period.startsAt),
      readPast(db, org, user ?? null, at),
      readOverdue(db, org),
    ]);
    const reading = httpReadingOf(row, at);
    const { usedMs, limitMs, remainingMs } = reading;
    return c.json(
      {
        ...reading,
        period: { startsAt: instant(period.startsAt), endsAt: instant(period.endsAt) },
        bySource: { planMs: row.planMs, extraMs: row.extraMs, overageMs: row.overageMs },
        sessions,
        hours: {
          used: hoursOfMs(usedMs),
          limit: limitMs === null ? null : hoursOfMs(limitMs),
          remaining: remainingMs === null ? null : hoursOfMs(remainingMs),
        },
        forecast: forecastShown(forecastOf(row, at, past)),
        overdue,
      },
      200,
    );
  });
  return app;
}

async function countSessions(
  db: Database,
  org: string,
  user: string | undefined,
  period: number,
): Promise<number> {
  const [row] = await db
    .select({ found: count() })
    .from(sessions)
    .where(
      and(
        eq(sessions.org, org),
        user === undefined ? undefined : eq(sessions.user, user),
        lte(sessions.firstPeriod, period),
        gte(sessions.lastPeriod, period),
      ),
    );
  return row!.found;
}

function forecastShown({ endsAt, ...rest }: Forecast) {
  return { endsAt: instantOrNull(endsAt), ...rest };
}
