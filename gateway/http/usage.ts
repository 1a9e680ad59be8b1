/** Usage now: of an organization, or of one member in it. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, count, eq, gte, lte } from 'drizzle-orm';
import { runsOutAt } from '../../core/meter/projection.ts';
import type { BudgetRow } from '../../core/meter/rows.ts';
import type { Database } from '../../drizzle/client.ts';
import { sessions } from '../../drizzle/schema/sessions.ts';
import type { HttpDeps } from './deps.ts';
import { readLiveBudgets } from './live-budgets.ts';
import { backendOrTicketSecurity } from './openapi.ts';
import { requireMember, requireOrganization } from './principal.ts';
import { problemResponses } from './problem.ts';
import { bySourceSchema, httpReadingOf, readingSchema } from './reading.ts';
import { newRouter } from './router.ts';
import { idSchema, instant, instantOrNull, instantSchema, json, orgParams } from './schemas.ts';

const usageSchema = readingSchema
  .extend({
    period: z.object({ startsAt: instantSchema, endsAt: instantSchema }),
    bySource: bySourceSchema,
    sessions: z.int().min(0).openapi({ description: 'That drew on this period.' }),
    forecast: z.object({
      endsAt: instantSchema.nullable().openapi({
        description: 'When it runs out at the present burn rate; null = not in this period.',
      }),
      confidence: z
        .number()
        .min(0)
        .max(1)
        .openapi({
          description:
            'How far the burn rate may be trusted that long: 0 when nobody records, near 1 when the ' +
            'end is near.',
        }),
    }),
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

export function usage(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(usageRoute, async (c) => {
    const { org } = c.req.valid('param');
    const { user } = c.req.valid('query');
    if (user === undefined) requireOrganization(c.get('principal'), org);
    else requireMember(c.get('principal'), org, user);

    const { at, period, organization, member } = await readLiveBudgets(deps, org, user ?? null);
    const row = member ?? organization;
    return c.json(
      {
        ...httpReadingOf(row, at),
        period: { startsAt: instant(period.startsAt), endsAt: instant(period.endsAt) },
        bySource: { planMs: row.planMs, extraMs: row.extraMs, overageMs: row.overageMs },
        sessions: await countSessions(deps.db.of(org), org, user, period.startsAt),
        forecast: forecastOf(row, at),
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

/**
 * The present burn rate, carried on. It was observed for as long as the period has run; carried as
 * far again, one may trust it half.
 */
function forecastOf(row: BudgetRow, at: number): { endsAt: string | null; confidence: number } {
  if (row.burnRate === 0) return { endsAt: null, confidence: 0 };
  const endsAt = runsOutAt(row);
  const observedMs = Math.max(0, at - row.startsAt);
  const aheadMs = Math.max(0, (endsAt ?? row.endsAt ?? at) - at);
  const confidence = observedMs + aheadMs === 0 ? 1 : observedMs / (observedMs + aheadMs);
  return { endsAt: instantOrNull(endsAt), confidence: Math.round(confidence * 100) / 100 };
}
