/**
 * What the recorder page's own backend would do, served by the gateway in development only: it says
 * who is signed in, asks for tickets and gives extra minutes. A production start has none of it.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { TICKET_SCOPES } from '../tickets.ts';
import { adjust } from './adjust.ts';
import type { DemoSettings, HttpDeps } from './deps.ts';
import { makeMember, requireKnown } from './members.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { pushLimits } from './push-limits.ts';
import { newRouter } from './router.ts';
import { idSchema, instant, json, jsonBody, msOfMinutes } from './schemas.ts';
import { ticketSchema } from './tickets.ts';

/** Enough to try a purchase with; nobody pays for these. */
const MAX_DEMO_MINUTES = 600;
const DEFAULT_DEMO_MINUTES = 5;

const configRoute = createRoute({
  method: 'get',
  path: '/demo/config',
  tags: ['demo'],
  summary: 'Who is signed in on the recorder page, and how fast its meter runs',
  responses: {
    200: json(
      z
        .object({
          org: idSchema('demo'),
          user: idSchema('demo-user'),
          speed: z.number().openapi({ description: 'Meter seconds per real second.' }),
          intervalMs: z.int().openapi({ description: 'Between two ticks, in real time.' }),
          url: z.string(),
        })
        .openapi('DemoConfig'),
      'The demo.',
    ),
    ...problemResponses('originNotAllowed'),
  },
});

const ticketRoute = createRoute({
  method: 'post',
  path: '/demo/ticket',
  tags: ['demo'],
  summary: 'A ticket for a member of the demo organization',
  request: jsonBody(
    z.object({ user: idSchema('demo-user').optional(), session: idSchema('take-1').optional() }),
  ),
  responses: {
    201: json(ticketSchema, 'The ticket.'),
    ...problemResponses('organizationUnknown', 'originNotAllowed'),
  },
});

const minutesRoute = createRoute({
  method: 'post',
  path: '/demo/extra-minutes',
  tags: ['demo'],
  summary: 'Extra minutes for the demo organization',
  request: jsonBody(
    z.object({
      minutes: z.number().positive().max(MAX_DEMO_MINUTES).default(DEFAULT_DEMO_MINUTES),
    }),
  ),
  responses: {
    201: json(z.object({ minutes: z.number(), purchase: z.string() }), 'They serve at once.'),
    ...problemResponses('organizationUnknown', 'originNotAllowed'),
  },
});

export function demo(deps: HttpDeps, settings: DemoSettings) {
  const app = newRouter();

  app.use('/demo/*', async (c, next) => {
    // No credentials here: pages of other sites must not borrow this browser's way to the loopback.
    const origin = c.req.header('origin');
    if (origin !== undefined && origin !== new URL(c.req.url).origin) {
      throw new ProblemError(
        'originNotAllowed',
        `The demo serves its own page only, not ${origin}.`,
      );
    }
    await next();
  });

  app.openapi(configRoute, (c) => c.json({ ...settings, url: deps.publicWsUrl() }, 200));

  app.openapi(ticketRoute, async (c) => {
    const { user = settings.user, session } = c.req.valid('json');
    const { org } = settings;
    await deps.db.of(org).transaction(async (tx) => {
      await makeMember(tx, org, user);
    });
    const { ticket, expiresAt } = await deps.tickets.mint({
      org,
      user,
      session,
      scopes: TICKET_SCOPES,
    });
    return c.json({ ticket, expiresAt: instant(expiresAt), url: deps.publicWsUrl() }, 201);
  });

  app.openapi(minutesRoute, async (c) => {
    const { minutes } = c.req.valid('json');
    const { org, user } = settings;
    const ms = Math.max(1, msOfMinutes(minutes)!);
    const row = await deps.db.of(org).transaction(async (tx) => {
      await requireKnown(tx, org);
      const reason = 'Given on the recorder page';
      const gift = { org, user, kind: 'extra' as const, session: null, ms, reason, actor: 'demo' };
      return adjust(tx, gift, Math.floor(deps.meterNow()));
    });
    await pushLimits(deps, [org]);
    return c.json({ minutes, purchase: row.id }, 201);
  });

  return app;
}
