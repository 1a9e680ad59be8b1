/** Sums of usage events by kind and local day. */
import { createRoute, z } from '@hono/zod-openapi';
import { sql } from 'drizzle-orm';
import { localDay } from '../../../core/calendar/local-day.ts';
import { loadLimits } from '../../../drizzle/queries/load-limits.ts';
import { decodeCursor, pageFrom } from '../cursor.ts';
import type { HttpDeps } from '../deps.ts';
import { organizationUnknown, presentPeriod } from '../live-budgets.ts';
import { backendSecurity } from '../openapi.ts';
import { requireBackend } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { givenDay, idSchema, json, orgParams, pageQuery } from '../schemas.ts';
import { centsOf } from './cost.ts';

const sums = {
  events: z.int().min(0),
  costCents: z.number().min(0),
};

const summarySchema = z
  .object({
    from: z.iso.date(),
    to: z.iso.date(),
    total: z.object(sums).openapi({ description: 'Of the whole range, not of this page.' }),
    items: z.array(
      z.object({
        day: z.iso.date().nullable().openapi({ description: 'null: summed up over days.' }),
        kind: idSchema('tokens').nullable().openapi({ description: 'null: summed up over kinds.' }),
        quantity: z.number().min(0).nullable().openapi({
          description: 'null where kinds are summed up: tokens and bytes make no sum.',
        }),
        ...sums,
      }),
    ),
    nextCursor: z.string().nullable(),
  })
  .openapi('UsageEventsSummary');

const summaryRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/usage-events/summary',
  tags: ['other usage'],
  summary: 'Sums of usage events by kind and day',
  security: backendSecurity,
  request: {
    params: orgParams,
    query: pageQuery.extend({
      from: givenDay.optional().openapi({
        description: 'First local day. Default: the first one of this billing period.',
      }),
      to: givenDay.optional().openapi({ description: 'Last local day. Default: today.' }),
      by: z.enum(['kindAndDay', 'kind', 'day']).default('kindAndDay'),
      kind: idSchema('tokens').optional(),
      user: idSchema('ann').optional(),
    }),
  },
  responses: {
    200: json(summarySchema, 'A page of sums, by day and kind.'),
    ...problemResponses('organizationUnknown'),
  },
});

interface Row extends Record<string, unknown> {
  day: string;
  kind: string;
  events: string;
  quantity: string;
  cost: string;
}

export function usageEventsSummary(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(summaryRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { cursor, limit, by, kind, user, ...range } = c.req.valid('query');
    const after = decodeCursor('usage-events-summary', cursor, isTwoTexts);
    const db = deps.db.of(org);
    const limits = await loadLimits(db, org, '');
    if (limits === null) throw organizationUnknown(org);
    const dayOf = (at: number) => localDay(at, limits.timeZone);
    const from = range.from ?? dayOf((await presentPeriod(deps, org)).startsAt);
    const to = range.to ?? dayOf(Math.floor(deps.meterNow()));

    // What is not asked for is one and the same for all, and sorts like any other text.
    const day = by === 'kind' ? sql`''` : sql`day::text`;
    const ofKind = by === 'day' ? sql`''` : sql`kind`;
    const matching = sql`select ${day} as day, ${ofKind} as kind, quantity, cost_micros
      from usage_events where org = ${org} and day between ${from}::date and ${to}::date
        and (${kind ?? null}::text is null or kind = ${kind ?? null})
        and (${user ?? null}::text is null or user_id = ${user ?? null})`;
    const rows = await db.execute<Row>(sql`
      select day, kind, count(*) as events, sum(quantity) as quantity, sum(cost_micros) as cost
      from (${matching}) as e
      where ${after === undefined} or (day, kind) > (${after?.[0] ?? ''}, ${after?.[1] ?? ''})
      group by day, kind order by day, kind limit ${limit + 1}`);
    const [total] = await db.execute<Row>(sql`
      select count(*) as events, coalesce(sum(cost_micros), 0) as cost from (${matching}) as e`);
    const { items, nextCursor } = pageFrom('usage-events-summary', [...rows], limit, (row) => [
      row.day,
      row.kind,
    ]);
    return c.json(
      {
        from,
        to,
        total: sumsOf(total!),
        items: items.map((row) => ({
          day: row.day === '' ? null : row.day,
          kind: row.kind === '' ? null : row.kind,
          quantity: row.kind === '' ? null : Number(row.quantity),
          ...sumsOf(row),
        })),
        nextCursor,
      },
      200,
    );
  });
  return app;
}

function sumsOf(row: Pick<Row, 'events' | 'cost'>): { events: number; costCents: number } {
  return { events: Number(row.events), costCents: centsOf(Number(row.cost)) };
}

function isTwoTexts(key: unknown[]): key is [string, string] {
  return key.length === 2 && key.every((part) => typeof part === 'string');
}
