/** Sessions: those that record now, those that were, one with its receipt; an operator's stop. */
import { createRoute, z } from '@hono/zod-openapi';
import type { SessionRow } from '../../core/meter/rows.ts';
import { audit } from './audit.ts';
import { decodeCursor, encodeCursor, isNumberAndTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { idempotencyHeader, writeOnce } from './idempotency.ts';
import { recovering } from './live-budgets.ts';
import { requireKnown } from './members.ts';
import { backendOrTicketSecurity, backendSecurity } from './openapi.ts';
import { actorOf, requireBackend, requireMember, requireOrganization } from './principal.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { newRouter } from './router.ts';
import { idSchema, json, orgParams, pageOf, pageQuery } from './schemas.ts';
import {
  listSessions,
  readMinutes,
  settledBySource,
  summaryOf,
  summaryOfLive,
} from './session-ledger.ts';
import { findSession, shown } from './session-lookup.ts';
import { type SessionSummary, sessionSchema, sessionSummarySchema } from './session-schema.ts';
import { visibleTo } from './visible.ts';

const sessionParams = z.object({ session: idSchema('interview-7') });
const ofOrg = z.object({
  org: idSchema('acme')
    .optional()
    .openapi({
      description:
        'Whose session it is. Needed where several organizations use the same id, and for a session ' +
        'in the first second of its life.',
    }),
});

const listRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/sessions',
  tags: ['sessions'],
  summary: 'Sessions of an organization, newest first',
  description: 'A ticket sees those of its own member.',
  security: backendOrTicketSecurity,
  request: {
    params: orgParams,
    query: pageQuery.extend({
      live: z.enum(['true', 'false']).optional().openapi({ description: '`true`: not ended.' }),
      user: idSchema('ann').optional(),
    }),
  },
  responses: {
    200: json(pageOf(sessionSummarySchema), 'A page of sessions.'),
    ...problemResponses('organizationUnknown', 'meterUnavailable'),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/sessions/{session}',
  tags: ['sessions'],
  summary: 'One session with its receipt: every second by source and lot',
  security: backendOrTicketSecurity,
  request: { params: sessionParams, query: ofOrg },
  responses: {
    200: json(sessionSchema, 'The session and its minutes, as settled so far.'),
    ...problemResponses('sessionUnknown', 'meterUnavailable'),
  },
});

const stopRoute = createRoute({
  method: 'post',
  path: '/v1/sessions/{session}/stop',
  tags: ['sessions'],
  summary: 'Stop a session',
  description: 'Its recorder is told at once and has the plan’s save window to flush.',
  security: backendSecurity,
  request: { params: sessionParams, query: ofOrg, headers: idempotencyHeader },
  responses: {
    200: json(sessionSummarySchema, 'As it was when the stop was given.'),
    ...problemResponses(
      'sessionUnknown',
      'sessionEnded',
      'idempotencyKeyReused',
      'meterUnavailable',
    ),
  },
});

export function sessions(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(listRoute, async (c) => {
    const { org } = c.req.valid('param');
    const query = c.req.valid('query');
    const principal = c.get('principal');
    if (query.user === undefined) requireOrganization(principal, org);
    else requireMember(principal, org, query.user);
    const user = principal.kind === 'ticket' ? principal.claims.user : query.user;
    await requireKnown(deps.db.of(org), org);
    const live = await deps.meter.liveSessions(org);
    if (live.status === 'recover') throw recovering(deps, org);
    const page = query.live === 'true' ? livePage : ledgerPage;
    return c.json(await page(deps, org, user, live.sessions, query), 200);
  });

  app.openapi(getRoute, async (c) => {
    const principal = c.get('principal');
    const { org: asked } = c.req.valid('query');
    const found = await findSession(
      { ...deps, db: visibleTo(deps, principal, asked) },
      principal,
      c.req.valid('param').session,
      asked,
    );
    const { ledger } = found;
    const { org } = (found.live ?? found.ledger)!;
    const db = deps.db.of(org);
    const minutes = ledger === null ? [] : await readMinutes(db, ledger);
    const said = await deps.metadata.read(org, c.req.valid('param').session);
    const { metadata, problem: metadataProblem } = said;
    return c.json({ ...(await shown(db, found)), metadata, metadataProblem, minutes }, 200);
  });

  app.openapi(stopRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    const actor = actorOf(principal);
    const { session } = c.req.valid('param');
    const { org: asked } = c.req.valid('query');
    const answer = await writeOnce<SessionSummary>(c, visibleTo(deps, principal, asked), {
      run: async (tx) => {
        const found = await findSession({ ...deps, db: tx }, principal, session, asked);
        const { org } = (found.live ?? found.ledger)!;
        const summary = await shown(tx, found);
        if (summary.state === 'ended') throw hasEnded(summary);
        await audit(tx, { actor, action: 'session.stop', org, subject: session, at: deps.now() });
        // Last, and harmless to repeat: what is written falls with it if it fails.
        const stop = deps.stopSession ?? deps.meter.stop;
        const { status } = await stop(org, session);
        if (status === 'recover') throw recovering(deps, org);
        if (status === 'ended') throw hasEnded(summary);
        if (status === 'unknown') throw notLive(session);
        return { status: 200, body: summary };
      },
    });
    return c.json(answer.body, 200);
  });

  return app;
}

interface PageAsk {
  cursor?: string | undefined;
  limit: number;
}
type Page = { items: SessionSummary[]; nextCursor: string | null };

/** From the meter alone: what records now need not be in the ledger yet. */
async function livePage(
  _deps: HttpDeps,
  _org: string,
  user: string | undefined,
  live: SessionRow[],
  { cursor, limit }: PageAsk,
): Promise<Page> {
  const after = decodeCursor('live-sessions', cursor, isNumberAndTextKey);
  const rows = live
    .filter((row) => user === undefined || row.user === user)
    .sort((a, b) => b.startedAt - a.startedAt || (a.session < b.session ? 1 : -1))
    .filter(
      (row) =>
        after === undefined ||
        row.startedAt < after[0] ||
        (row.startedAt === after[0] && row.session < after[1]),
    );
  const last = rows.length > limit ? rows[limit - 1]! : null;
  return {
    items: rows.slice(0, limit).map(summaryOfLive),
    nextCursor: last && encodeCursor('live-sessions', [last.startedAt, last.session]),
  };
}

async function ledgerPage(
  deps: HttpDeps,
  org: string,
  user: string | undefined,
  live: SessionRow[],
  { cursor, limit }: PageAsk,
): Promise<Page> {
  const after = decodeCursor('sessions', cursor, isNumberAndTextKey);
  const db = deps.db.of(org);
  const rows = await listSessions(db, org, user, after, limit + 1);
  const { items, nextCursor } = pageFrom('sessions', rows, limit, (row) => [row.startedAt, row.id]);
  const settled = await settledBySource(db, items);
  const liveById = new Map(live.map((row) => [row.session, row]));
  // One that ended a moment ago is live in the ledger still, and in the meter not among those that are.
  for (const { id, state } of items) {
    if (state !== 'live' || liveById.has(id)) continue;
    const reply = await deps.meter.readSession(org, id);
    if (reply.status === 'ok') liveById.set(id, reply.session);
  }
  return {
    items: items.map((row) => summaryOf(row, settled.get(row.id), liveById.get(row.id) ?? null)),
    nextCursor,
  };
}

function notLive(session: string): ProblemError {
  return new ProblemError('sessionUnknown', `The meter has no live session "${session}".`);
}

function hasEnded({ session, endedAt, reason }: SessionSummary): ProblemError {
  const when = endedAt === null ? '' : ` at ${endedAt}`;
  const why = reason === null ? '' : ` (${reason})`;
  return new ProblemError(
    'sessionEnded',
    `The session "${session}" has ended already${when}${why}: there is nothing to stop.`,
  );
}
