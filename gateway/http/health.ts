/** What anybody may ask of the public port: whether it serves, and why it turned a socket away. */
import { createRoute, z } from '@hono/zod-openapi';
import type { HttpDeps } from './deps.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { newRouter } from './router.ts';
import { json } from './schemas.ts';

const healthSchema = z.object({ ok: z.boolean() }).openapi('Health');

const healthz = createRoute({
  method: 'get',
  path: '/healthz',
  tags: ['operations'],
  summary: 'Whether this gateway serves requests',
  responses: {
    200: json(healthSchema, 'It does.'),
    503: json(healthSchema, 'Not yet, or not any more.'),
  },
});

const connect = createRoute({
  method: 'get',
  path: '/v1/connect',
  tags: ['operations'],
  summary: 'Where recorders connect, by WebSocket',
  description:
    'The subprotocol is `taximeter.v1`. Asked without an upgrade it says why connections of this ' +
    'origin would be turned away, which a browser cannot see from a failed upgrade.',
  responses: problemResponses(
    'upgradeRequired',
    'originNotAllowed',
    'serverFull',
    'draining',
  ) as Record<426, { description: string }>,
});

export function health(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(healthz, (c) =>
    deps.serving() ? c.json({ ok: true }, 200) : c.json({ ok: false }, 503),
  );
  app.openapi(connect, (c) => {
    const reason = deps.turnedAway?.(c.req.raw) ?? null;
    if (reason !== null) throw new ProblemError(reason.code, reason.detail);
    throw new ProblemError(
      'upgradeRequired',
      'Recorders connect here by WebSocket with the subprotocol taximeter.v1; nothing speaks against it.',
      { headers: { upgrade: 'websocket', connection: 'upgrade' } },
    );
  });
  return app;
}
