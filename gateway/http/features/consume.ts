/** Features counted by the piece: checked and counted in one step, and given back. */
import { createRoute, z } from '@hono/zod-openapi';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, idempotencyKeySchema, writeOnce } from '../idempotency.ts';
import { requireKnown } from '../members.ts';
import { backendSecurity } from '../openapi.ts';
import { actorOf, requireBackend } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { bindingSchema } from '../reading.ts';
import { newRouter } from '../router.ts';
import { idSchema, instant, instantSchema, json, jsonBody, orgParams } from '../schemas.ts';
import { consumePieces, isStanding, undoConsumption } from './consumption.ts';
import { piecesSchema, piecesShown, quantitySchema } from './piece-schema.ts';

const consumeBodySchema = z
  .strictObject({
    user: idSchema('ann'),
    feature: idSchema('analysis'),
    quantity: quantitySchema.default(1).openapi({ description: 'Pieces: all of them, or none.' }),
  })
  .openapi('ConsumeBody');

const consumedSchema = piecesSchema
  .extend({
    consumption: z.uuid().openapi({ description: 'Names it, to give it back.' }),
    user: idSchema('ann'),
    quantity: quantitySchema,
    binding: bindingSchema,
    allowed: z.boolean().openapi({ description: 'Always true: a refusal is a problem.' }),
    reason: z.enum(['featureNotAllowed', 'limitReached']).nullable().openapi({
      description: 'In shadow mode: why it would have been refused. Otherwise null.',
    }),
  })
  .openapi('Consumed');
type ConsumedShown = z.infer<typeof consumedSchema>;

const undoBodySchema = z
  .union([
    z.strictObject({ consumption: z.uuid() }),
    z.strictObject({ idempotencyKey: idempotencyKeySchema }),
  ])
  .openapi('ConsumeUndoBody', {
    description: 'Either its id, or the Idempotency-Key it was sent with by the same caller.',
  });

const undoneSchema = z
  .object({
    consumption: z.uuid(),
    user: idSchema('ann'),
    feature: idSchema('analysis'),
    quantity: quantitySchema.openapi({ description: 'Pieces that were given back.' }),
    consumedAt: instantSchema,
    undoneAt: instantSchema,
  })
  .openapi('ConsumeUndone');
type UndoneShown = z.infer<typeof undoneSchema>;

const consumeRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/consume',
  tags: ['features'],
  summary: 'Use pieces of a feature',
  description:
    'Checked and counted in one step: of any number of requests at once, on any number of gateways, ' +
    'as many succeed as there are pieces. The figures are those of the limit that decides.',
  security: backendSecurity,
  request: { params: orgParams, headers: idempotencyHeader, ...jsonBody(consumeBodySchema) },
  responses: {
    200: json(consumedSchema, 'Counted.'),
    ...problemResponses(
      'limitReached',
      'featureNotAllowed',
      'organizationSuspended',
      'organizationUnknown',
      'idempotencyKeyReused',
    ),
  },
});

const undoRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/consume/undo',
  tags: ['features'],
  summary: 'Give the pieces of a consumption back',
  description:
    'For a job that failed. They go back to the day and month they were taken from. Once: asked ' +
    'again, the answer is the same. The Idempotency-Key of what was undone counts anew if it is used again.',
  security: backendSecurity,
  request: { params: orgParams, headers: idempotencyHeader, ...jsonBody(undoBodySchema) },
  responses: {
    200: json(undoneSchema, 'Given back.'),
    ...problemResponses('consumptionUnknown', 'organizationUnknown', 'idempotencyKeyReused'),
  },
});

export function consume(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(consumeRoute, async (c) => {
    const { org } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const { user, feature, quantity } = c.req.valid('json');
    const key = c.req.header('idempotency-key') ?? null;
    const answer = await writeOnce<ConsumedShown>(c, deps.db.of(org), {
      run: async (tx) => {
        const at = Math.floor(deps.meterNow());
        const wanted = { org, user, feature, quantity };
        const consumed = await consumePieces(deps, tx, wanted, at, { actor, key });
        const body = {
          ...{ consumption: consumed.id, user, quantity },
          ...piecesShown(feature, consumed.counts),
          ...{ binding: 'feature' as const, allowed: true, reason: consumed.wouldRefuse },
        };
        return { status: 200, body };
      },
      stands: ({ consumption }, tx) => isStanding(tx, org, consumption),
    });
    return c.json(answer.body, 200);
  });

  app.openapi(undoRoute, async (c) => {
    const { org } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const body = c.req.valid('json');
    const named =
      'consumption' in body ? { id: body.consumption } : { actor, key: body.idempotencyKey };
    const answer = await writeOnce<UndoneShown>(c, deps.db.of(org), {
      run: async (tx) => {
        await requireKnown(tx, org);
        const at = Math.floor(deps.meterNow());
        const row = await undoConsumption(tx, org, named, at);
        if (row === null) throw consumptionUnknown(org, named);
        const { id: consumption, user, feature, quantity } = row;
        const undoneAt = instant(row.undoneAt!);
        const consumedAt = instant(row.consumedAt);
        return {
          status: 200,
          body: { consumption, user, feature, quantity, consumedAt, undoneAt },
        };
      },
    });
    return c.json(answer.body, 200);
  });

  return app;
}

function consumptionUnknown(org: string, named: { id: string } | { key: string }): ProblemError {
  const which =
    'id' in named
      ? `consumption "${named.id}"`
      : `consumption that you sent with the Idempotency-Key "${named.key}"`;
  return new ProblemError(
    'consumptionUnknown',
    `In "${org}" there is no ${which}: nothing was counted by it, and nothing is given back.`,
  );
}
