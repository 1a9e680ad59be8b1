/** Minutes given or taken by hand, each with its reason. */
import { createRoute, z } from '@hono/zod-openapi';
import { type AdjustmentRow, adjust } from './adjust.ts';
import { audit } from './audit.ts';
import type { HttpDeps } from './deps.ts';
import { idempotencyHeader, writeOnce } from './idempotency.ts';
import { requireKnown } from './members.ts';
import { backendSecurity } from './openapi.ts';
import { actorOf, requireBackend } from './principal.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { pushLimits } from './push-limits.ts';
import { newRouter } from './router.ts';
import {
  idSchema,
  instant,
  instantOrNull,
  instantSchema,
  json,
  jsonBody,
  MAX_MINUTES,
  msOfMinutes,
  orgParams,
} from './schemas.ts';

const MAX_REASON_CHARACTERS = 500;

const adjustmentBodySchema = z
  .strictObject({
    minutes: z
      .number()
      .min(-MAX_MINUTES)
      .max(MAX_MINUTES)
      .refine((minutes) => msOfMinutes(minutes) !== 0, {
        message: 'must be at least a millisecond',
      })
      .openapi({ description: 'Signed: what is below 0 is taken away.' }),
    kind: z.enum(['extra', 'plan']).openapi({
      description: '`extra` is a lot of extra minutes; `plan` moves the quota of this period.',
    }),
    user: idSchema('ann').optional().openapi({ description: 'Whom it concerns, for the record.' }),
    reason: z.string().trim().min(1).max(MAX_REASON_CHARACTERS),
  })
  .openapi('AdjustmentBody');

const adjustmentSchema = z
  .object({
    adjustment: z.string().openapi({ description: 'Of kind `extra`: also the name of its lot.' }),
    org: idSchema('acme'),
    user: idSchema('ann').nullable(),
    kind: z.enum(['extra', 'plan']),
    minutes: z.number(),
    ms: z.int(),
    reason: z.string(),
    actor: z.string(),
    createdAt: instantSchema,
    appliedAt: instantSchema.nullable().openapi({
      description: 'null while what is open is settled by the old figures.',
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
    ...problemResponses('organizationUnknown', 'idempotencyKeyReused'),
  },
});

export function adjustments(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(postRoute, async (c) => {
    const { org } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const { minutes, kind, reason, user = null } = c.req.valid('json');
    if (kind === 'plan' && user !== null) throw ownLimit(org, user);
    const ms = msOfMinutes(minutes)!;
    const answer = await writeOnce<AdjustmentShown>(c, deps.db.of(org), {
      run: async (tx) => {
        await requireKnown(tx, org);
        const at = Math.floor(deps.meterNow());
        const row = await adjust(tx, { org, user, kind, ms, reason, actor }, at);
        const detail = { kind, ms, reason };
        const subject = row.id;
        await audit(tx, { actor, action: 'adjustment', org, subject, detail, at: deps.now() });
        return { status: 201, body: adjustmentShown(row) };
      },
    });
    await pushLimits(deps, [org]);
    return c.json(answer.body, 201);
  });
  return app;
}

export function adjustmentShown(row: AdjustmentRow): AdjustmentShown {
  const { id: adjustment, org, user, kind, ms, reason, actor } = row;
  return {
    adjustment,
    org,
    user,
    kind,
    minutes: ms / 60_000,
    ms,
    reason,
    actor,
    createdAt: instant(row.createdAt),
    appliedAt: instantOrNull(row.appliedAt),
  };
}

function ownLimit(org: string, user: string): ProblemError {
  return new ProblemError(
    'invalid',
    `The plan's quota is the organization's: leave user out, or change the member's own limit by PUT /v1/orgs/${org}/members/${user}.`,
    { errors: [{ pointer: '/user', detail: 'does not go with kind "plan"' }] },
  );
}
