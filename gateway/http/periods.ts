/** Billing periods: which there are, and closing the running one by hand. */
import { randomUUID } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import { and, desc, eq, lt } from 'drizzle-orm';
import { MeterUnreachable } from '../../core/meter/servers.ts';
import { carryOutReset, type PeriodReset } from '../../drizzle/queries/carry-out-reset.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { meterOutbox } from '../../drizzle/schema/operations.ts';
import { billingPeriods, periodResets } from '../../drizzle/schema/periods.ts';
import { decodeCursor, isNumberKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { idempotencyHeader, writeOnce } from './idempotency.ts';
import { organizationUnknown } from './live-budgets.ts';
import { requireKnown } from './members.ts';
import { backendOrTicketSecurity, backendSecurity } from './openapi.ts';
import { actorOf, requireBackend, requireOrganization } from './principal.ts';
import { problemResponses } from './problem.ts';
import { newRouter } from './router.ts';
import {
  idSchema,
  instant,
  instantOrNull,
  instantSchema,
  json,
  jsonBody,
  orgParams,
  pageOf,
  pageQuery,
} from './schemas.ts';

const MAX_REASON_CHARACTERS = 500;

const spanSchema = z.object({ startsAt: instantSchema, endsAt: instantSchema });

const periodSchema = spanSchema
  .extend({
    state: z.enum(['past', 'present', 'ahead']),
    closedBy: z.enum(['calendar', 'reset', 'repair']).openapi({
      description: 'What gave it its end: the anchor, a reset, or the nightly check.',
    }),
    quotaMs: z.int().nullable().openapi({ description: 'null: unlimited.' }),
    adjustedMs: z.int().openapi({ description: 'Adjustments of kind `plan`, in the quota.' }),
    usedMs: z.int().openapi({ description: 'Settled. `…/usage` has the live figure.' }),
    bySource: z.object({ planMs: z.int(), extraMs: z.int(), overageMs: z.int() }),
    billableMs: z.int(),
    debtMs: z.int(),
    settledAt: instantSchema.nullable().openapi({
      description: 'When time of it last reached the ledger.',
    }),
  })
  .openapi('Period');

const resetSchema = z
  .object({
    reset: z.string(),
    org: idSchema('acme'),
    reason: z.string(),
    state: z.enum(['done', 'waiting']).openapi({
      description: '`waiting`: the meter could not say the instant yet. It is carried out then.',
    }),
    closed: spanSchema.nullable().openapi({ description: 'The period that ended.' }),
    period: spanSchema.nullable().openapi({ description: 'The one that began there.' }),
  })
  .openapi('PeriodReset');

const listRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/periods',
  tags: ['periods'],
  summary: 'Billing periods, the newest first',
  description: 'Those that have a row: the present one, what came before, and what is made ahead.',
  security: backendOrTicketSecurity,
  request: { params: orgParams, query: pageQuery },
  responses: {
    200: json(pageOf(periodSchema), 'A page of periods.'),
    ...problemResponses('organizationUnknown'),
  },
});

const resetRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/periods/reset',
  tags: ['periods'],
  summary: 'Close the running period now',
  description:
    'It ends at this instant, to the millisecond, and a new one begins with a fresh quota; sessions ' +
    'that record across are split there. Extra minutes stay. The periods after it go on by the anchor.',
  security: backendSecurity,
  request: {
    params: orgParams,
    headers: idempotencyHeader,
    ...jsonBody(
      z
        .strictObject({ reason: z.string().trim().min(1).max(MAX_REASON_CHARACTERS) })
        .openapi('PeriodResetBody'),
    ),
  },
  responses: {
    201: json(resetSchema, 'Closed.'),
    202: json(resetSchema, 'Written down; the meter is away, and ends the period when it is back.'),
    ...problemResponses('organizationUnknown', 'idempotencyKeyReused'),
  },
});

export function periods(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(listRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireOrganization(c.get('principal'), org);
    const { cursor, limit } = c.req.valid('query');
    const before = decodeCursor('periods', cursor, isNumberKey)?.[0];
    const db = deps.db.of(org);
    const now = Math.floor(deps.meterNow());
    if ((await ensurePeriod(db, org, now)) === null) throw organizationUnknown(org);
    const older = before === undefined ? undefined : lt(billingPeriods.startsAt, before);
    const rows = await db
      .select()
      .from(billingPeriods)
      .where(and(eq(billingPeriods.org, org), older))
      .orderBy(desc(billingPeriods.startsAt))
      .limit(limit + 1);
    const page = pageFrom('periods', rows, limit, ({ startsAt }) => [startsAt]);
    const items = page.items.map((row) => periodShown(row, now));
    return c.json({ items, nextCursor: page.nextCursor }, 200);
  });

  app.openapi(resetRoute, async (c) => {
    const { org } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const { reason } = c.req.valid('json');
    const db = deps.db.of(org);
    const { body } = await writeOnce<{ reset: string }>(c, db, {
      run: async (tx) => {
        await requireKnown(tx, org);
        const period = await ensurePeriod(tx, org, Math.floor(deps.meterNow()));
        if (period === null) throw organizationUnknown(org);
        const id = randomUUID();
        const row = { id, org, period: period.startsAt, reason, actor, requestedAt: deps.now() };
        await tx.insert(periodResets).values(row);
        // A worker carries it out, should this gateway not come to it.
        await tx.insert(meterOutbox).values({ org });
        return { status: 201, body: { reset: id } };
      },
    });
    const row = await carryOut(deps, org, body.reset);
    return c.json(resetShown(row), row.at === null ? 202 : 201);
  });

  return app;
}

/** Where the meter cannot be asked the reset waits: a worker carries it out. */
async function carryOut(deps: HttpDeps, org: string, id: string): Promise<PeriodReset> {
  const db = deps.db.of(org);
  try {
    const done = await carryOutReset(db, deps.meter, id);
    if (done!.at === null) deps.recoveryNeeded(org);
    return done!;
  } catch (error) {
    if (!(error instanceof MeterUnreachable)) throw error;
    deps.log.warn({ err: error, org, reset: id }, 'a reset waits for the meter');
    const [waiting] = await db.select().from(periodResets).where(eq(periodResets.id, id));
    return waiting!;
  }
}

function resetShown(row: PeriodReset): z.infer<typeof resetSchema> {
  const { id: reset, org, reason, period: startsAt, at } = row;
  const common = { reset, org, reason };
  if (at === null) return { ...common, state: 'waiting', closed: null, period: null };
  return {
    ...common,
    state: 'done',
    // Asked for at the very instant at which the period began: nothing was there to be closed.
    closed: at > startsAt ? { startsAt: instant(startsAt), endsAt: instant(at) } : null,
    period: { startsAt: instant(at), endsAt: instant(row.nextEndsAt!) },
  };
}

function periodShown(
  row: typeof billingPeriods.$inferSelect,
  now: number,
): z.infer<typeof periodSchema> {
  const { startsAt, endsAt, planMs, extraMs, overageMs } = row;
  const { closedBy, quotaMs, adjustedMs, usedMs, billableMs, debtMs } = row;
  const state = endsAt <= now ? 'past' : startsAt > now ? 'ahead' : 'present';
  return {
    ...{ startsAt: instant(startsAt), endsAt: instant(endsAt), state, closedBy },
    ...{ quotaMs, adjustedMs, usedMs, bySource: { planMs, extraMs, overageMs } },
    ...{ billableMs, debtMs, settledAt: instantOrNull(row.settledAt) },
  };
}
