/** The package that fits an organization's use, and by which figures. */
import { createRoute, z } from '@hono/zod-openapi';
import { sql } from 'drizzle-orm';
import type { Database } from '../../../drizzle/client.ts';
import { type Offer, type RecommendationReason, recommend } from '../../../payments/recommend.ts';
import type { HttpDeps } from '../deps.ts';
import { readLiveBudgets } from '../live-budgets.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { requireOrganization } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { durationMsSchema, idSchema, json, orgParams } from '../schemas.ts';
import { forecastOf } from '../usage/forecast.ts';
import { readPast } from '../usage/past.ts';

/** Periods that ended, of which the extra minutes are looked at. */
const PERIODS_BEFORE = 3;
const MS_PER_MINUTE = 60_000;

const WORDS: Record<RecommendationReason, string> = {
  enough: 'What remains lasts, as far as can be seen.',
  atLimit: 'Nothing remains in this period.',
  shortThisPeriod: 'By the forecast, what remains does not last to the end of the period.',
  asBefore: 'In the periods before, about as many extra minutes were used.',
};

const recommendationSchema = z
  .object({
    package: idSchema('minutes-60').nullable().openapi({ description: 'null: none is needed.' }),
    quantity: z.int().min(0).openapi({
      description: 'More than 1 only where no package is large enough.',
    }),
    priceCents: z.int().min(0).nullable().openapi({ description: 'Of one of them.' }),
    currency: z.string(),
    reason: z.enum(['enough', 'atLimit', 'shortThisPeriod', 'asBefore']),
    detail: z.string(),
    needMs: durationMsSchema,
    basis: z.object({
      remainingMs: durationMsSchema.nullable(),
      extraRemainingMs: durationMsSchema,
      periodUsedMs: durationMsSchema.nullable().openapi({
        description: 'What the forecast expects to be used when the period ends.',
      }),
      confidence: z.number().min(0).max(1),
      extraBeforeMs: z.array(durationMsSchema).openapi({
        description: `Extra minutes used in each of the last ${PERIODS_BEFORE} periods that ended.`,
      }),
    }),
  })
  .openapi('Recommendation');

const route = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/extra-minutes/recommendation',
  tags: ['extra minutes'],
  summary: 'The package that fits an organization’s use',
  description:
    'The smallest that covers what this period will lack by its forecast or, once a fifth or less of the ' +
    'plan is left, what was used of extra minutes in periods before.',
  security: backendOrTicketSecurity,
  request: {
    params: orgParams,
    query: z.object({
      currency: z
        .string()
        .regex(/^[a-z]{3}$/, { message: 'must be three small letters, like usd' })
        .default('usd'),
    }),
  },
  responses: {
    200: json(recommendationSchema, 'What to buy, and why.'),
    ...problemResponses('organizationUnknown', 'meterUnavailable'),
  },
});

export function recommendation(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(route, async (c) => {
    const { org } = c.req.valid('param');
    const { currency } = c.req.valid('query');
    requireOrganization(c.get('principal'), org);
    const { at, organization: row } = await readLiveBudgets(deps, org, null);
    const db = deps.db.of(org);
    const [past, extraBeforeMs, offers] = await Promise.all([
      readPast(db, org, null, at),
      extraBefore(db, org, at),
      readOffers(deps.db.all, currency),
    ]);
    const { periodUsedMs, confidence } = forecastOf(row, at, past);
    const { remainingMs, extraRemainingMs, usedMs } = row;
    const need = { remainingMs, extraRemainingMs, usedMs, periodUsedMs, extraBeforeMs };
    const { offer, quantity, needMs, reason } = recommend(need, offers);
    return c.json(
      {
        package: offer?.package ?? null,
        priceCents: offer?.priceCents ?? null,
        ...{ quantity, currency, reason, needMs },
        detail: sentenceOf(reason, needMs),
        basis: { remainingMs, extraRemainingMs, periodUsedMs, confidence, extraBeforeMs },
      },
      200,
    );
  });
  return app;
}

function sentenceOf(reason: RecommendationReason, needMs: number): string {
  if (needMs === 0) return WORDS[reason];
  return `${WORDS[reason]} About ${Math.ceil(needMs / MS_PER_MINUTE)} minutes more are needed.`;
}

async function extraBefore(db: Database, org: string, at: number): Promise<number[]> {
  const rows = await db.execute<{ ms: number }>(sql`
    select extra_ms as ms from billing_periods
    where org = ${org} and ends_at <= from_epoch_ms(${Math.floor(at)})
    order by starts_at desc limit ${PERIODS_BEFORE}`);
  return rows.map(({ ms }) => ms);
}

/** What is on sale in a currency: a package's own price, or its price in that currency. */
async function readOffers(db: Database, currency: string): Promise<Offer[]> {
  const rows = await db.execute<Offer & Record<string, unknown>>(sql`
    select p.id as package, p.granted_ms as "grantedMs",
      case when p.currency = ${currency} then p.price_cents else x.price_cents end as "priceCents"
    from extra_minutes_packages p
    left join extra_minutes_prices x on x.package = p.id and x.currency = ${currency}
    where p.active and (p.currency = ${currency} or x.price_cents is not null) order by p.id`);
  return [...rows];
}
