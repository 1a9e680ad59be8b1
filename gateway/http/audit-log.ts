/** Who changed what of an organization, newest first. */
import { createRoute, z } from '@hono/zod-openapi';
import { and, desc, eq, gte, lt } from 'drizzle-orm';
import { auditLog as auditTable } from '../../drizzle/schema/operations.ts';
import { decodeCursor, isNumberKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { requireKnown } from './members.ts';
import { backendSecurity } from './openapi.ts';
import { requireBackend } from './principal.ts';
import { problemResponses } from './problem.ts';
import { newRouter } from './router.ts';
import {
  givenInstant,
  idSchema,
  instant,
  instantSchema,
  json,
  orgParams,
  pageOf,
  pageQuery,
} from './schemas.ts';

const entrySchema = z
  .object({
    at: instantSchema,
    actor: z.string(),
    action: z.string().openapi({ example: 'organization.put' }),
    subject: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()),
  })
  .openapi('AuditEntry');

const auditRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/audit',
  tags: ['adjustments'],
  summary: 'Who changed what, newest first',
  security: backendSecurity,
  request: {
    params: orgParams,
    query: pageQuery.extend({
      action: z.string().min(1).max(100).optional().openapi({ example: 'adjustment' }),
      actor: z.string().min(1).max(300).optional().openapi({ example: 'key:dev-key' }),
      subject: idSchema('ann').optional(),
      from: givenInstant.optional().openapi({ description: 'From this instant on.' }),
      to: givenInstant.optional().openapi({ description: 'Before this instant.' }),
    }),
  },
  responses: {
    200: json(pageOf(entrySchema), 'A page of entries.'),
    ...problemResponses('organizationUnknown'),
  },
});

export function auditLog(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(auditRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { cursor, limit, action, actor, subject, from, to } = c.req.valid('query');
    const before = decodeCursor('audit', cursor, isNumberKey)?.[0];
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const rows = await db
      .select()
      .from(auditTable)
      .where(
        and(
          eq(auditTable.org, org),
          before === undefined ? undefined : lt(auditTable.id, before),
          action === undefined ? undefined : eq(auditTable.action, action),
          actor === undefined ? undefined : eq(auditTable.actor, actor),
          subject === undefined ? undefined : eq(auditTable.subject, subject),
          from === undefined ? undefined : gte(auditTable.at, from),
          to === undefined ? undefined : lt(auditTable.at, to),
        ),
      )
      .orderBy(desc(auditTable.id))
      .limit(limit + 1);
    const { items, nextCursor } = pageFrom('audit', rows, limit, ({ id }) => [id]);
    return c.json(
      {
        items: items.map(({ at, actor, action, subject, detail }) => ({
          at: instant(at),
          actor,
          action,
          subject,
          detail,
        })),
        nextCursor,
      },
      200,
    );
  });
  return app;
}
