/** How extra minutes sell: who reached a limit and bought, what they bought, what it brought. */
import { createRoute, z } from '@hono/zod-openapi';
import type { HttpDeps } from '../deps.ts';
import { backendSecurity } from '../openapi.ts';
import { requireInstallation } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { givenInstant, instant, instantSchema, json } from '../schemas.ts';
import { readConversion, readSales, type Sales } from './sales.ts';

const DEFAULT_SPAN_MS = 30 * 86_400_000;
const MAX_SPAN_MS = 400 * 86_400_000;
const MS_PER_MINUTE = 60_000;

const cents = z.int();
const share = z.number().min(0).max(1).nullable().openapi({ description: 'null: of none.' });
const group = z.object({
  organizations: z.int().min(0),
  bought: z.int().min(0).openapi({ description: 'Of these, afterwards and within the span.' }),
  conversion: share,
});
const soldSchema = z.object({
  purchases: z.int().min(0),
  topUps: z.int().min(0).openapi({ description: 'By auto top-up.' }),
  grossCents: cents,
  refundedCents: cents,
  lostCents: cents.openapi({ description: 'To disputes.' }),
  netCents: cents,
  averageCents: z.number(),
  averageMinutes: z.number(),
});
const analyticsSchema = z
  .object({
    from: instantSchema,
    to: instantSchema,
    livemode: z.boolean(),
    warned: group.openapi({ description: 'Organizations that crossed a threshold.' }),
    reachedLimit: group.openapi({ description: 'Organizations that crossed 100 percent.' }),
    buyers: z.int().min(0).openapi({ description: 'Organizations that bought, warned or not.' }),
    revenue: z.array(
      soldSchema.extend({
        currency: z.string(),
        byPackage: z.array(soldSchema.extend({ package: z.string() })),
      }),
    ),
  })
  .openapi('ExtraMinutesAnalytics');

const route = createRoute({
  method: 'get',
  path: '/v1/analytics/extra-minutes',
  tags: ['analytics'],
  summary: 'Conversion, average package and revenue of extra minutes',
  description:
    'Of payments confirmed in the span, 30 days if not said; refunds and disputes of these count ' +
    'whenever they came. Test payments brought no money and are left out.',
  security: backendSecurity,
  request: {
    query: z.object({
      from: givenInstant.optional(),
      to: givenInstant.optional(),
      livemode: z.enum(['true', 'false']).optional().openapi({
        description: 'Default: the mode of the keys in use.',
      }),
    }),
  },
  responses: { 200: json(analyticsSchema, 'The figures.'), ...problemResponses() },
});

export function extraMinutesAnalytics(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(route, async (c) => {
    requireInstallation(c.get('principal'));
    const asked = c.req.valid('query');
    const to = asked.to ?? Math.ceil(deps.meterNow());
    const from = asked.from ?? to - DEFAULT_SPAN_MS;
    if (from >= to || to - from > MAX_SPAN_MS) {
      throw new ProblemError(
        'invalid',
        'The span must end after it begins, 400 days later at most.',
        {
          errors: [{ pointer: '/from', detail: 'must be before to, by 400 days at most' }],
        },
      );
    }
    const livemode =
      asked.livemode === undefined
        ? (deps.payments?.settings.livemode ?? false)
        : asked.livemode === 'true';
    const [conversion, sales] = await Promise.all([
      readConversion(deps.db.all, { from, to }),
      readSales(deps.db.all, { from, to }, livemode),
    ]);
    const { warned, warnedAndBought, stopped, stoppedAndBought, bought } = conversion;
    return c.json(
      {
        ...{ from: instant(from), to: instant(to), livemode },
        warned: groupOf(warned, warnedAndBought),
        reachedLimit: groupOf(stopped, stoppedAndBought),
        buyers: bought,
        revenue: sales
          .filter((row) => row.package === null)
          .map((row) => ({
            currency: row.currency,
            ...soldOf(row),
            byPackage: sales
              .filter((it) => it.package !== null && it.currency === row.currency)
              .map((it) => ({ package: it.package!, ...soldOf(it) })),
          })),
      },
      200,
    );
  });
  return app;
}

function groupOf(organizations: number, bought: number) {
  return { organizations, bought, conversion: organizations === 0 ? null : bought / organizations };
}

function soldOf(row: Sales): z.infer<typeof soldSchema> {
  const { purchases, topUps, grossCents, refundedCents, lostCents, grantedMs } = row;
  const sold = purchases + topUps;
  return {
    ...{ purchases, topUps, grossCents, refundedCents, lostCents },
    netCents: grossCents - refundedCents - lostCents,
    averageCents: grossCents / sold,
    averageMinutes: grantedMs / MS_PER_MINUTE / sold,
  };
}
