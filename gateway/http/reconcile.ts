/**
 * Comparing an organization with its minutes, and putting right what differs. A gateway's login may not
 * write what is derived, so it leaves the wish for a worker, and waits for the answer for a while.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRoute, z } from '@hono/zod-openapi';
import { and, desc, eq } from 'drizzle-orm';
import { reconciles } from '../../drizzle/schema/reconciles.ts';
import { audit } from './audit.ts';
import { afterKey, decodeCursor, isNumberAndTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { idempotencyHeader, writeOnce } from './idempotency.ts';
import { requireKnown } from './members.ts';
import { backendSecurity } from './openapi.ts';
import { actorOf, requireBackend } from './principal.ts';
import { problemResponses } from './problem.ts';
import { newRouter } from './router.ts';
import {
  idSchema,
  instant,
  instantOrNull,
  instantSchema,
  json,
  orgParams,
  pageOf,
  pageQuery,
} from './schemas.ts';

/** A repair of live counters takes three seconds; who needs longer finds the answer in the list. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 100;

const seenSchema = z
  .object({
    code: z.string().openapi({ description: 'As in docs/doctor.md.' }),
    subject: z.string().nullable(),
    says: z.string(),
    figures: z.record(z.string(), z.union([z.number(), z.string()]).nullable()),
  })
  .openapi('ReconcileFinding');

const reconcileSchema = z
  .object({
    reconcile: z.string(),
    org: idSchema('acme'),
    state: z.enum(['done', 'failed', 'waiting']),
    requestedAt: instantSchema,
    doneAt: instantSchema.nullable(),
    isWell: z.boolean().nullable().openapi({ description: 'Whether all is right now.' }),
    found: z.array(seenSchema).openapi({ description: 'What was wrong.' }),
    changed: z
      .array(z.object({ title: z.string(), codes: z.array(z.string()), says: z.string() }))
      .openapi({ description: 'What was done about it.' }),
    left: z.array(seenSchema).openapi({ description: 'What only a person may repair.' }),
  })
  .openapi('Reconcile');
type Shown = z.infer<typeof reconcileSchema>;

const postRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/reconcile',
  tags: ['periods'],
  summary: 'Compare an organization with its minutes, and put right what differs',
  description:
    'Derived sums are rebuilt from the minutes; live counters that differ are made anew from the ' +
    'ledger. Minutes and lots that are there are never written. Each repair has an entry in the audit log.',
  security: backendSecurity,
  request: { params: orgParams, headers: idempotencyHeader },
  responses: {
    200: json(reconcileSchema, 'What was found and changed.'),
    202: json(reconcileSchema, 'Not done yet: `GET` of the same address has it when it is.'),
    ...problemResponses('organizationUnknown', 'idempotencyKeyReused'),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/reconcile',
  tags: ['periods'],
  summary: 'What was compared and repaired before, the newest first',
  security: backendSecurity,
  request: { params: orgParams, query: pageQuery },
  responses: {
    200: json(pageOf(reconcileSchema), 'A page of answers.'),
    ...problemResponses('organizationUnknown'),
  },
});

export function reconcile(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(postRoute, async (c) => {
    const { org } = c.req.valid('param');
    const actor = actorOf(requireBackend(c.get('principal'), org));
    const db = deps.db.of(org);
    const { body } = await writeOnce<{ reconcile: string }>(c, db, {
      run: async (tx) => {
        await requireKnown(tx, org);
        const id = randomUUID();
        await tx.insert(reconciles).values({ id, org, actor, requestedAt: deps.now() });
        await audit(tx, { actor, action: 'reconcile', org, subject: id, at: deps.now() });
        return { status: 201, body: { reconcile: id } };
      },
    });
    const find = async () =>
      (await db.select().from(reconciles).where(eq(reconciles.id, body.reconcile)))[0]!;
    let row = await find();
    for (let waitedMs = 0; row.doneAt === null && waitedMs < PATIENCE_MS; waitedMs += LOOK_MS) {
      await sleep(LOOK_MS);
      row = await find();
    }
    return c.json(reconcileShown(row), row.doneAt === null ? 202 : 200);
  });

  app.openapi(listRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { cursor, limit } = c.req.valid('query');
    const after = decodeCursor('reconcile', cursor, isNumberAndTextKey);
    const db = deps.db.of(org);
    await db.transaction((tx) => requireKnown(tx, org));
    const { requestedAt, id } = reconciles;
    const rows = await db
      .select()
      .from(reconciles)
      .where(and(eq(reconciles.org, org), afterKey([requestedAt, id], after)))
      .orderBy(desc(requestedAt), desc(id))
      .limit(limit + 1);
    const page = pageFrom('reconcile', rows, limit, (row) => [row.requestedAt, row.id]);
    return c.json({ items: page.items.map(reconcileShown), nextCursor: page.nextCursor }, 200);
  });

  return app;
}

function reconcileShown(row: typeof reconciles.$inferSelect): Shown {
  const { id, org, requestedAt, doneAt } = row;
  const result = (row.result ?? {}) as Partial<Pick<Shown, 'found' | 'changed' | 'left'>> & {
    isWell?: boolean;
    failed?: string;
  };
  const done = result.failed === undefined ? 'done' : 'failed';
  return {
    ...{ reconcile: id, org, state: doneAt === null ? 'waiting' : done },
    ...{ requestedAt: instant(requestedAt), doneAt: instantOrNull(doneAt) },
    isWell: result.isWell ?? null,
    found: result.found ?? [],
    changed: result.changed ?? [],
    left: result.left ?? [],
  };
}
