/** A session's own longest length, changed while it runs. */
import { createRoute, z } from '@hono/zod-openapi';
import { sql } from 'drizzle-orm';
import { loadLimits } from '../../../drizzle/queries/load-limits.ts';
import { sessionLengths } from '../../../drizzle/schema/session-terms.ts';
import { audit } from '../audit.ts';
import type { HttpDeps } from '../deps.ts';
import { idempotencyHeader, writeOnce } from '../idempotency.ts';
import { recovering } from '../live-budgets.ts';
import { backendSecurity } from '../openapi.ts';
import { actorOf, requireBackend } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { newRouter } from '../router.ts';
import { amountOfTime, idSchema, json, jsonBody, msOfMinutes } from '../schemas.ts';
import { findSession, shown } from '../session-lookup.ts';
import { type SessionSummary, sessionSummarySchema } from '../session-schema.ts';
import { visibleTo } from '../visible.ts';
import { seedingWithin } from './opening.ts';

const bodySchema = z
  .strictObject({
    maxSessionMinutes: amountOfTime
      .refine((minutes) => msOfMinutes(minutes) !== 0, {
        message: 'must be a millisecond at least, or -1 or null for no limit',
      })
      .openapi({ description: 'From its start. null or -1 = no longest length.' }),
  })
  .openapi('ExtendBody');

const extendRoute = createRoute({
  method: 'post',
  path: '/v1/sessions/{session}/extend',
  tags: ['sessions'],
  summary: 'Change a session’s own longest length',
  description:
    'Raised, lowered or lifted; its recorder has it within a second. Below what it has recorded, it stops.',
  security: backendSecurity,
  request: {
    params: z.object({ session: idSchema('interview-7') }),
    query: z.object({ org: idSchema('acme').optional() }),
    headers: idempotencyHeader,
    ...jsonBody(bodySchema),
  },
  responses: {
    200: json(sessionSummarySchema, 'As it was when its length was changed.'),
    ...problemResponses(
      ...(['sessionUnknown', 'sessionEnded', 'idempotencyKeyReused', 'meterUnavailable'] as const),
    ),
  },
});

export function extend(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(extendRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    const { session } = c.req.valid('param');
    const { org: asked } = c.req.valid('query');
    const { maxSessionMinutes } = c.req.valid('json');
    const limitMs = msOfMinutes(maxSessionMinutes);
    const answer = await writeOnce<SessionSummary>(c, visibleTo(deps, principal, asked), {
      run: async (tx) => {
        const found = await findSession({ ...deps, db: tx }, principal, session, asked);
        const { org, user } = (found.live ?? found.ledger)!;
        const summary = await shown(tx, found);
        if (summary.state === 'ended') throw isOver(session);
        const version = sql<number>`nextval('limit_versions')`;
        const [set] = await tx
          .insert(sessionLengths)
          .values({ org, session, longestMs: limitMs })
          .onConflictDoUpdate({
            target: [sessionLengths.org, sessionLengths.session],
            set: { longestMs: limitMs, version, setAt: deps.now() },
          })
          .returning({ version: sessionLengths.version });
        const detail = { maxSessionMinutes };
        const action = 'session.extend';
        const entry = { actor: actorOf(principal), action, org, subject: session, detail };
        await audit(tx, { ...entry, at: deps.now() });
        const limits = await loadLimits(tx, org, user);
        // Last, and harmless to repeat: what is written falls with it if it fails.
        if (limits !== null && !limits.isShadow) {
          const { levels } = limits;
          const command = { org, session, limitMs, version: set!.version, levels };
          let reply = await deps.meter.extend(command);
          if (reply.status === 'unseeded') {
            await seedingWithin(deps, tx).seed(org, reply.budgets);
            reply = await deps.meter.extend(command);
          }
          if (reply.status === 'recover' || reply.status === 'unseeded')
            throw recovering(deps, org);
          if (reply.status === 'ended' || reply.status === 'stopped') throw isOver(session);
        }
        return { status: 200, body: summary };
      },
    });
    return c.json(answer.body, 200);
  });
  return app;
}

function isOver(session: string): ProblemError {
  return new ProblemError(
    'sessionEnded',
    `The session "${session}" has ended or is stopped, and a stop is final: start a new one.`,
  );
}
