/** Use of other kinds: recorded once an event, listed newest first. */
import { createRoute } from '@hono/zod-openapi';
import { and, desc, eq, gte, lt } from 'drizzle-orm';
import { loadLimits } from '../../../drizzle/queries/load-limits.ts';
import { usageEvents as eventTable } from '../../../drizzle/schema/usage-events.ts';
import { afterKey, decodeCursor, isNumberAndTextKey, pageFrom } from '../cursor.ts';
import type { HttpDeps } from '../deps.ts';
import { suspended } from '../features/refusal.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { organizationUnknown } from '../live-budgets.ts';
import { requireKnown } from '../members.ts';
import { backendSecurity } from '../openapi.ts';
import { requireBackend } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import {
  givenInstant,
  idSchema,
  instant,
  json,
  jsonBody,
  orgParams,
  pageOf,
  pageQuery,
} from '../schemas.ts';
import { centsOf, costShown } from './cost.ts';
import { metadataOf } from './event-metadata.ts';
import {
  type EventShown,
  eventShownSchema,
  eventsBodySchema,
  type RecordedShown,
  recordedSchema,
} from './event-schema.ts';
import { type Recorded, recordEvents } from './record-events.ts';

const postRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/usage-events',
  tags: ['other usage'],
  summary: 'Record use of another kind: tokens, bytes, money',
  description:
    'Recording is never refused by a limit, since what was spent was spent. With `enforce`, ask and ' +
    'record in one step: the request that crosses the ceiling of the day is the last one accepted.',
  security: backendSecurity,
  request: { params: orgParams, headers: idempotencyHeader, ...jsonBody(eventsBodySchema) },
  responses: {
    200: json(recordedSchema, 'All of them were recorded before.'),
    201: json(recordedSchema, 'Recorded.'),
    ...problemResponses(
      'costCeilingReached',
      'organizationSuspended',
      'organizationUnknown',
      'eventIdReused',
      'idempotencyKeyReused',
    ),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/usage-events',
  tags: ['other usage'],
  summary: 'Usage events, newest first',
  security: backendSecurity,
  request: {
    params: orgParams,
    query: pageQuery.extend({
      kind: idSchema('tokens').optional(),
      user: idSchema('ann').optional(),
      from: givenInstant.optional().openapi({ description: 'Occurred at or after.' }),
      to: givenInstant.optional().openapi({ description: 'Occurred before.' }),
    }),
  },
  responses: {
    200: json(pageOf(eventShownSchema), 'A page of events.'),
    ...problemResponses('organizationUnknown'),
  },
});

export function usageEvents(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(postRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { enforce, ...body } = c.req.valid('json');
    const bodies = 'events' in body ? body.events : [body];
    const answer = await writeOnce<RecordedShown>(c, deps.db.of(org), {
      run: async (tx) => {
        const limits = await loadLimits(tx, org, '');
        if (limits === null) throw organizationUnknown(org);
        if (enforce && limits.suspended) throw suspended(org);
        const at = Math.floor(deps.meterNow());
        const recorded = await recordEvents(deps, tx, limits, bodies, { at, enforce });
        const shown = recordedShown(recorded);
        return { status: shown.recorded === 0 ? 200 : 201, body: shown };
      },
    });
    if (!answer.repeated && answer.body.alerts.length > 0) {
      const { alerts, cost } = answer.body;
      deps.log.warn({ org, alerts, cost }, 'an organization nears its cost ceiling of the day');
    }
    return c.json(answer.body, answer.status);
  });

  app.openapi(listRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { cursor, limit, kind, user, from, to } = c.req.valid('query');
    const after = decodeCursor('usage-events', cursor, isNumberAndTextKey);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const rows = await db
      .select()
      .from(eventTable)
      .where(
        and(
          eq(eventTable.org, org),
          kind === undefined ? undefined : eq(eventTable.kind, kind),
          user === undefined ? undefined : eq(eventTable.user, user),
          from === undefined ? undefined : gte(eventTable.occurredAt, from),
          to === undefined ? undefined : lt(eventTable.occurredAt, to),
          afterKey([eventTable.occurredAt, eventTable.id], after),
        ),
      )
      .orderBy(desc(eventTable.occurredAt), desc(eventTable.id))
      .limit(limit + 1);
    const page = pageFrom('usage-events', rows, limit, (row) => [row.occurredAt, row.id]);
    return c.json({ ...page, items: page.items.map((row) => eventShown(deps, row)) }, 200);
  });

  return app;
}

function recordedShown({ ids, today, isPastCeiling, alerts }: Recorded): RecordedShown {
  const recorded = ids.filter(({ isNew }) => isNew).length;
  return {
    recorded,
    duplicates: ids.length - recorded,
    events: ids.map(({ id, isNew }) => ({ event: id, status: isNew ? 'recorded' : 'duplicate' })),
    allowed: true,
    reason: isPastCeiling ? 'costCeilingReached' : null,
    cost: costShown(today),
    alerts,
  };
}

function eventShown(
  { cipher }: Pick<HttpDeps, 'cipher'>,
  row: typeof eventTable.$inferSelect,
): EventShown {
  const { id: event, kind, user, quantity, day } = row;
  return {
    ...{ event, kind, user, quantity, costCents: centsOf(row.costMicros), day },
    occurredAt: instant(row.occurredAt),
    recordedAt: instant(row.recordedAt),
    metadata: metadataOf(cipher, row),
  };
}
