/** Minutes given or taken by hand, each with its reason. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, desc, eq } from 'drizzle-orm';
import type { Queryable } from '../../drizzle/client.ts';
import { adjustments as table } from '../../drizzle/schema/extra-minutes.ts';
import { type AdjustmentRow, adjust } from './adjust.ts';
import { audit } from './audit.ts';
import { afterKey, decodeCursor, isNumberAndTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { idempotencyHeader, writeOnce } from './idempotency.ts';
import { requireKnown } from './members.ts';
import { backendSecurity } from './openapi.ts';
import { actorOf, requireBackend } from './principal.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { pushLimits } from './push-limits.ts';
import { newRouter } from './router.ts';
import {
  EITHER_WORDS,
  eitherMinutesOrHours,
  idSchema,
  instant,
  instantOrNull,
  instantSchema,
  json,
  jsonBody,
  MAX_MINUTES,
  msOfMinutes,
  orgParams,
  pageOf,
  pageQuery,
  quotaMsOf,
} from './schemas.ts';

const MAX_REASON_CHARACTERS = 500;
const GOODWILL_WORDS = 'must be above 0: goodwill gives';

const kindSchema = z.enum(['extra', 'plan', 'goodwill']);

/** @param unitMinutes minutes of one */
const signedTime = (unitMinutes: number) =>
  z
    .number()
    .min(-MAX_MINUTES / unitMinutes)
    .max(MAX_MINUTES / unitMinutes)
    .refine((amount) => msOfMinutes(amount * unitMinutes) !== 0, {
      message: 'must be at least a millisecond',
    });

const adjustmentBodySchema = z
  .strictObject({
    minutes: signedTime(1).optional().openapi({
      description: 'Signed: what is below 0 is taken away. One of `minutes` and `hours`.',
    }),
    hours: signedTime(60).optional().openapi({ description: 'Instead of `minutes`.' }),
    kind: kindSchema.openapi({
      description:
        '`extra` is a lot of extra minutes; `plan` moves the quota of this period; `goodwill` gives ' +
        'minutes back, as a lot of extra minutes.',
    }),
    user: idSchema('ann').optional().openapi({ description: 'Whom it concerns, for the record.' }),
    session: idSchema('interview-7')
      .optional()
      .openapi({
        description:
          'With `goodwill`: the session it is for. All that is given back for one is at most what it ' +
          'was charged; its minutes stay as they are.',
      }),
    reason: z.string().trim().min(1).max(MAX_REASON_CHARACTERS),
  })
  .refine(eitherMinutesOrHours, { message: EITHER_WORDS })
  .refine((body) => quotaMsOf(body) !== undefined, { message: 'needs minutes or hours' })
  .refine((body) => body.kind !== 'goodwill' || (body.minutes ?? 1) > 0, {
    path: ['minutes'],
    message: GOODWILL_WORDS,
  })
  .refine((body) => body.kind !== 'goodwill' || (body.hours ?? 1) > 0, {
    path: ['hours'],
    message: GOODWILL_WORDS,
  })
  .refine((body) => body.session === undefined || body.kind === 'goodwill', {
    path: ['session'],
    message: 'goes with kind "goodwill" only',
  })
  .openapi('AdjustmentBody');

const adjustmentSchema = z
  .object({
    adjustment: z.string().openapi({ description: 'Where it gives a lot: also the name of that.' }),
    org: idSchema('acme'),
    user: idSchema('ann').nullable(),
    kind: kindSchema,
    session: idSchema('interview-7').nullable(),
    minutes: z.number(),
    ms: z.int(),
    reason: z.string(),
    actor: z.string(),
    createdAt: instantSchema,
    appliedAt: instantSchema.nullable().openapi({
      description: 'null while what is open is settled by the old figures.',
    }),
    unappliedMs: z.int().min(0).openapi({
      description: 'Part that could not be taken, since it was used already.',
    }),
  })
  .openapi('Adjustment');
type AdjustmentShown = z.infer<typeof adjustmentSchema>;

const postRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/adjustments',
  tags: ['adjustments'],
  summary: 'Give or take minutes',
  description: 'An entry of the ledger. Running sessions see minutes that were given at once.',
  security: backendSecurity,
  request: { params: orgParams, headers: idempotencyHeader, ...jsonBody(adjustmentBodySchema) },
  responses: {
    201: json(adjustmentSchema, 'The entry.'),
    ...problemResponses('organizationUnknown', 'sessionUnknown', 'idempotencyKeyReused'),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/adjustments',
  tags: ['adjustments'],
  summary: 'Minutes given or taken, newest first',
  security: backendSecurity,
  request: {
    params: orgParams,
    query: pageQuery.extend({
      kind: kindSchema.optional(),
      user: idSchema('ann').optional(),
      session: idSchema('interview-7').optional(),
    }),
  },
  responses: {
    200: json(pageOf(adjustmentSchema), 'A page of entries.'),
    ...problemResponses('organizationUnknown'),
  },
});

export function adjustments(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(postRoute, async (c) => {
    const { org } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const asked = c.req.valid('json');
    const { kind, reason, user = null, session = null } = asked;
    if (kind === 'plan' && user !== null) throw ownLimit(org, user);
    const ms = quotaMsOf(asked)!;
    const answer = await writeOnce<AdjustmentShown>(c, deps.db.of(org), {
      run: async (tx) => {
        await requireKnown(tx, org);
        const at = Math.floor(deps.meterNow());
        const row = await adjust(tx, { org, user, kind, session, ms, reason, actor }, at);
        const detail = { kind, ms, reason, ...(session !== null && { session }) };
        const subject = row.id;
        await audit(tx, { actor, action: 'adjustment', org, subject, detail, at: deps.now() });
        return { status: 201, body: adjustmentShown(row) };
      },
    });
    await pushLimits(deps, [org]);
    return c.json(answer.body, 201);
  });

  app.openapi(listRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { cursor, limit, ...only } = c.req.valid('query');
    const after = decodeCursor('adjustments', cursor, isNumberAndTextKey);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const rows = await listAdjustments(db, org, only, after, limit + 1);
    const page = pageFrom('adjustments', rows, limit, (row) => [row.createdAt, row.id]);
    return c.json({ items: page.items.map(adjustmentShown), nextCursor: page.nextCursor }, 200);
  });
  return app;
}

type Only = Partial<Record<'kind' | 'user' | 'session', string | undefined>>;

/** Newest first, after (createdAt, id) of the last one shown. */
function listAdjustments(
  db: Queryable,
  org: string,
  { kind, user, session }: Only,
  after: readonly [number, string] | undefined,
  limit: number,
): Promise<AdjustmentRow[]> {
  const { createdAt, id } = table;
  return db
    .select()
    .from(table)
    .where(
      and(
        eq(table.org, org),
        kind === undefined ? undefined : eq(table.kind, kind as AdjustmentRow['kind']),
        user === undefined ? undefined : eq(table.user, user),
        session === undefined ? undefined : eq(table.session, session),
        afterKey([createdAt, id], after),
      ),
    )
    .orderBy(desc(createdAt), desc(id))
    .limit(limit);
}

export function adjustmentShown(row: AdjustmentRow): AdjustmentShown {
  const { id: adjustment, org, user, kind, session, ms, reason, actor, unappliedMs } = row;
  return {
    adjustment,
    org,
    user,
    kind,
    session,
    minutes: ms / 60_000,
    ms,
    reason,
    actor,
    createdAt: instant(row.createdAt),
    appliedAt: instantOrNull(row.appliedAt),
    unappliedMs,
  };
}

function ownLimit(org: string, user: string): ProblemError {
  return new ProblemError(
    'invalid',
    `The plan's quota is the organization's: leave user out, or change the member's own limit by PUT /v1/orgs/${org}/members/${user}.`,
    { errors: [{ pointer: '/user', detail: 'does not go with kind "plan"' }] },
  );
}
