/** What extra minutes can be bought for, in which currencies, and how they are paid here. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, asc, eq, gt, inArray, notInArray, or, sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '../../../drizzle/client.ts';
import { extraMinutesPackages, extraMinutesPrices } from '../../../drizzle/schema/extra-minutes.ts';
import { audit } from '../audit.ts';
import { decodeCursor, isNumberAndTextKey, pageFrom } from '../cursor.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { backendOrTicketSecurity, backendSecurity } from '../openapi.ts';
import { actorOf, requireInstallation } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { idSchema, json, jsonBody, pageOf, pageQuery, samePathAndBody } from '../schemas.ts';
import {
  currencySchema,
  type PackageBody,
  type PackageShown,
  packageBodySchema,
  packageSchema,
  paymentsSchema,
  paymentsShown,
} from './package-schema.ts';

type PackageRow = typeof extraMinutesPackages.$inferSelect;
type PriceRow = typeof extraMinutesPrices.$inferSelect;

const listRoute = createRoute({
  method: 'get',
  path: '/v1/extra-minutes/packages',
  tags: ['packages'],
  summary: 'What can be bought, and how it is paid here',
  security: backendOrTicketSecurity,
  request: {
    query: pageQuery.extend({
      currency: currencySchema.optional().openapi({
        description: 'Only packages that have a price in it; `priceCents` is that price.',
      }),
      all: z
        .enum(['true', 'false'])
        .optional()
        .openapi({ description: '`true`: also those that are not on sale.' }),
    }),
  },
  responses: {
    200: json(
      pageOf(packageSchema).extend({ payments: paymentsSchema }),
      'A page of the packages on sale, small to large.',
    ),
    ...problemResponses(),
  },
});

const putRoute = createRoute({
  method: 'put',
  path: '/v1/extra-minutes/packages/{package}',
  tags: ['packages'],
  summary: 'Make or replace a package',
  description: 'What was bought keeps its minutes, its price and its expiry.',
  security: backendSecurity,
  request: {
    params: z.object({ package: idSchema('minutes-60') }),
    headers: idempotencyHeader,
    ...jsonBody(packageBodySchema),
  },
  responses: {
    200: json(packageSchema, 'Replaced.'),
    201: json(packageSchema, 'Made.'),
    ...problemResponses('idempotencyKeyReused'),
  },
});

export function packages(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(listRoute, async (c) => {
    const { cursor, limit, currency, all } = c.req.valid('query');
    const after = decodeCursor('packages', cursor, isNumberAndTextKey);
    const { grantedMs: size, id, active, currency: own } = extraMinutesPackages;
    const { all: db } = deps.db;
    const rows = await db
      .select()
      .from(extraMinutesPackages)
      .where(
        and(
          all === 'true' ? undefined : eq(active, true),
          currency === undefined ? undefined : or(eq(own, currency), hasPriceIn(currency)),
          after && or(gt(size, after[0]), and(eq(size, after[0]), gt(id, after[1]))),
        ),
      )
      .orderBy(asc(size), asc(id))
      .limit(limit + 1);
    const page = pageFrom('packages', rows, limit, (row) => [row.grantedMs, row.id]);
    const prices = await pricesOf(
      db,
      page.items.map((row) => row.id),
    );
    const items = page.items.map((row) => packageShown(row, prices, currency));
    return c.json({ items, nextCursor: page.nextCursor, payments: paymentsShown(deps) }, 200);
  });

  app.openapi(putRoute, async (c) => {
    const actor = actorOf(requireInstallation(c.get('principal')));
    const { package: id } = c.req.valid('param');
    const body = c.req.valid('json');
    samePathAndBody('package', id, body.package);
    const answer = await writeOnce<PackageShown>(c, deps.db.all, {
      run: async (tx) => {
        const effect = await putPackage(tx, id, body);
        const detail = { ...effect.body };
        await audit(tx, { actor, action: 'package.put', subject: id, detail, at: deps.now() });
        return effect;
      },
    });
    return c.json(answer.body, answer.status);
  });

  return app;
}

const hasPriceIn = (currency: string) => sql`exists (select from extra_minutes_prices p
  where p.package = ${extraMinutesPackages.id} and p.currency = ${currency})`;

async function putPackage(
  tx: Transaction,
  id: string,
  { prices, package: _, ...values }: PackageBody,
): Promise<{ status: 200 | 201; body: PackageShown }> {
  const made = await tx
    .insert(extraMinutesPackages)
    .values({ id, ...values })
    .onConflictDoNothing()
    .returning();
  const [row] =
    made.length > 0
      ? made
      : await tx
          .update(extraMinutesPackages)
          .set(values)
          .where(eq(extraMinutesPackages.id, id))
          .returning();
  const others = prices.filter(({ currency }) => currency !== values.currency);
  await putPrices(tx, id, others);
  const body = packageShown(row!, await pricesOf(tx, [id]));
  return { status: made.length > 0 ? 201 : 200, body };
}

async function putPrices(tx: Transaction, id: string, prices: Omit<PriceRow, 'package'>[]) {
  const { package: of, currency } = extraMinutesPrices;
  const kept = prices.map((price) => price.currency);
  await tx
    .delete(extraMinutesPrices)
    .where(and(eq(of, id), kept.length > 0 ? notInArray(currency, kept) : undefined));
  if (prices.length === 0) return;
  await tx
    .insert(extraMinutesPrices)
    .values(prices.map((price) => ({ package: id, ...price })))
    .onConflictDoUpdate({ target: [of, currency], set: { priceCents: sql`excluded.price_cents` } });
}

/** Those beside the packages' own. */
export function pricesOf(db: Queryable, ids: readonly string[]): Promise<PriceRow[]> {
  if (ids.length === 0) return Promise.resolve([]);
  const { package: of, currency } = extraMinutesPrices;
  return db.select().from(extraMinutesPrices).where(inArray(of, ids)).orderBy(asc(currency));
}

/** What it costs in a currency, by default in its own; undefined: it has no price in it. */
export function priceIn(
  row: PackageRow,
  others: readonly PriceRow[],
  currency: string = row.currency,
): number | undefined {
  if (currency === row.currency) return row.priceCents;
  return others.find((it) => it.package === row.id && it.currency === currency)?.priceCents;
}

function packageShown(
  row: PackageRow,
  others: readonly PriceRow[],
  currency: string = row.currency,
): PackageShown {
  const { id, name, grantedMs, expiresAfterDays, active } = row;
  const own = { currency: row.currency, priceCents: row.priceCents };
  const more = others.filter((it) => it.package === id && it.currency !== row.currency);
  return {
    package: id,
    name,
    grantedMs,
    priceCents: priceIn(row, others, currency)!,
    currency,
    prices: [own, ...more.map((it) => ({ currency: it.currency, priceCents: it.priceCents }))],
    expiresAfterDays,
    active,
  };
}
