/** Thresholds that were crossed, newest first: each once for a version of its limit (rule 8). */
import { createRoute, z } from '@hono/zod-openapi';
import { type SQL, sql } from 'drizzle-orm';
import { decodeCursor, pageFrom } from '../cursor.ts';
import type { HttpDeps } from '../deps.ts';
import { requireKnown } from '../members.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { requireMember, requireOrganization } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import {
  idSchema,
  instant,
  instantOrNull,
  instantSchema,
  json,
  orgParams,
  pageOf,
  pageQuery,
} from '../schemas.ts';
import { daySchema } from './range.ts';

const scopeSchema = z.enum(['organization', 'member', 'session', 'cost']);

const alertSchema = z
  .object({
    at: instantSchema.openapi({ description: 'When it was crossed, in meter time.' }),
    scope: scopeSchema.openapi({ description: '`cost`: what a day may cost.' }),
    user: idSchema('ann').nullable(),
    session: idSchema('interview-7').nullable(),
    period: instantSchema.nullable().openapi({ description: 'Start of its billing period.' }),
    day: daySchema.nullable().openapi({ description: 'Of `cost`: the local day.' }),
    ceilingCents: z
      .int()
      .nullable()
      .openapi({ description: 'Of `cost`: what the day might cost.' }),
    threshold: z.union([
      z.object({ percent: z.number() }),
      z.object({ remainingMs: z.int(), remainingMinutes: z.number() }),
    ]),
  })
  .openapi('UsageAlert');

const alertsRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/usage/alerts',
  tags: ['usage'],
  summary: 'Thresholds that were crossed, newest first',
  description:
    'A crossing that was withdrawn, since more minutes came, stays in the list. A ticket sees those of ' +
    'the organization’s minutes and of its own member.',
  security: backendOrTicketSecurity,
  request: {
    params: orgParams,
    query: pageQuery.extend({
      user: idSchema('ann').optional(),
      scope: scopeSchema.optional(),
    }),
  },
  responses: {
    200: json(pageOf(alertSchema), 'A page of crossings.'),
    ...problemResponses('organizationUnknown'),
  },
});

interface Row extends Record<string, unknown> {
  at: number;
  budget: string;
  level: number;
  version: number;
  scope: z.infer<typeof scopeSchema>;
  user: string | null;
  session: string | null;
  period: number | null;
}
type Key = readonly [at: number, budget: string, level: number, version: number];

export function usageAlerts(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(alertsRoute, async (c) => {
    const { org } = c.req.valid('param');
    const { user, scope, cursor, limit } = c.req.valid('query');
    const principal = c.get('principal');
    if (user === undefined) requireOrganization(principal, org);
    else requireMember(principal, org, user);
    const after = decodeCursor('alerts', cursor, isAlertKey);
    const db = deps.db.of(org);
    await requireKnown(db, org);
    const own = principal.kind === 'ticket' ? principal.claims.user : null;
    const wanted = [
      sql`a.org = ${org}`,
      ...(scope === undefined ? [] : [sql`a.scope = ${scope}`]),
      ...(user === undefined ? [] : [isOf(user)]),
      ...(own === null ? [] : [sql`(a.scope = 'organization' or ${isOf(own)})`]),
      ...(after === undefined ? [] : [isAfter(after)]),
    ];
    const rows = await db.execute<Row>(sql`
      select epoch_ms(a.crossed_at) as at, a.budget, a.level, a.version, a.scope,
        coalesce(a.user_id, s.user_id) as user, a.session, epoch_ms(a.period) as period
      from usage_alerts a left join sessions s on s.org = a.org and s.id = a.session
      where ${sql.join(wanted, sql` and `)}
      order by a.crossed_at desc, a.budget desc, a.level desc, a.version desc
      limit ${limit + 1}`);
    const page = pageFrom('alerts', [...rows], limit, ({ at, budget, level, version }) => [
      ...[Number(at), budget, Number(level), Number(version)],
    ]);
    return c.json({ items: page.items.map(shown), nextCursor: page.nextCursor }, 200);
  });
  return app;
}

const isOf = (user: string): SQL => sql`coalesce(a.user_id, s.user_id) = ${user}`;

function isAfter([at, budget, level, version]: Key): SQL {
  return sql`(a.crossed_at, a.budget, a.level, a.version)
    < (from_epoch_ms(${at}), ${budget}, ${level}, ${version})`;
}

function shown(row: Row): z.infer<typeof alertSchema> {
  const { at, scope, user, session, period, level } = row;
  const threshold =
    level > 0
      ? { percent: Number(level) }
      : { remainingMs: -Number(level), remainingMinutes: -Number(level) / 60_000 };
  const isCost = scope === 'cost';
  return {
    ...{ at: instant(at), scope, user, session, period: instantOrNull(period), threshold },
    // `cost|ORG|DAY`, and the ceiling is what its crossing is of.
    day: isCost ? row.budget.split('|').at(-1)! : null,
    ceilingCents: isCost ? Number(row.version) : null,
  };
}

function isAlertKey(key: unknown[]): key is [number, string, number, number] {
  const [at, budget, level, version] = key;
  return (
    key.length === 4 &&
    typeof budget === 'string' &&
    [at, level, version].every((it) => Number.isSafeInteger(it))
  );
}
