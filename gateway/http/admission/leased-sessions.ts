/** Sessions that hold no socket: uploads, jobs, recorders that can only ask. Started, told of, ended. */
import { randomUUID } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Database, Queryable, Transaction } from '../../../drizzle/client.ts';
import { type Limits, loadLimits } from '../../../drizzle/queries/load-limits.ts';
import { admissionLimits } from '../../admission-limits.ts';
import { refusalOf } from '../../refusal.ts';
import { startDecision } from '../../shadow/plan-decision.ts';
import type { HttpDeps } from '../deps.ts';
import { deniedBy } from '../features/piece-limit.ts';
import { denied } from '../features/refusal.ts';
import { type Effect, idempotencyHeader, writeOnce } from '../idempotency.ts';
import { organizationUnknown, presentPeriod, recovering } from '../live-budgets.ts';
import { makeMember } from '../members.ts';
import { backendSecurity } from '../openapi.ts';
import { requireBackend } from '../principal.ts';
import { ProblemError, problemResponses } from '../problem.ts';
import { httpActionsOf } from '../reading.ts';
import { type HttpEnv, newRouter } from '../router.ts';
import { idSchema, json, jsonBody, orgParams } from '../schemas.ts';
import { findSessions } from '../session-ledger.ts';
import { visibleTo } from '../visible.ts';
import { beganAt, type Lease, loadLease, makeLease } from './lease.ts';
import { hasSocket, leaseToEnd, requireLease, unknown } from './lease-lookup.ts';
import {
  type LeasedBody,
  type LeasedShown,
  leasedBodySchema,
  leasedSchema,
} from './leased-schema.ts';
import { shownClosed, shownLeased } from './leased-shown.ts';
import { openingWithin } from './opening.ts';
import { type PlanReason, refusedByPlan } from './plan-refusal.ts';
import { endLeased, hasEnded, tellTotal } from './total.ts';

const MS_PER_SECOND = 1_000;
const sessionParams = z.object({ session: idSchema('upload-7') });
const totalSchema = z.int().min(0).openapi({ description: 'Recorded so far: cumulative.' });

const startRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/sessions',
  tags: ['sessions'],
  summary: 'Start a session that holds no socket',
  description:
    'Decided like a recorder’s start, and counted like one. It takes a place until it ends, or until ' +
    'nothing is heard of it for `leaseSeconds`.',
  security: backendSecurity,
  request: { params: orgParams, headers: idempotencyHeader, ...jsonBody(leasedBodySchema) },
  responses: {
    200: json(leasedSchema, 'It was started before.'),
    201: json(leasedSchema, 'Started.'),
    ...problemResponses(
      ...([
        'organizationUnknown',
        'organizationSuspended',
        'limitReached',
        'plannedTooLong',
      ] as const),
      ...(['concurrencyLimit', 'featureNotAllowed', 'fileTooLarge', 'sessionEnded'] as const),
      ...([
        'sessionUnknown',
        'sessionHasSocket',
        'idempotencyKeyReused',
        'meterUnavailable',
      ] as const),
    ),
  },
});

const minutesRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/minutes',
  tags: ['sessions'],
  summary: 'Say how much a session without a socket has recorded',
  description:
    'A total, not a difference: repeated, late or twice at once, it counts once. It renews the lease.',
  security: backendSecurity,
  request: {
    params: orgParams,
    headers: idempotencyHeader,
    ...jsonBody(
      z.strictObject({ session: idSchema('upload-7'), totalMs: totalSchema }).openapi('TotalBody'),
    ),
  },
  responses: {
    200: json(leasedSchema, 'What of it is charged; `stop` says that nothing more will be.'),
    ...problemResponses(
      ...(['sessionUnknown', 'sessionEnded', 'sessionHasSocket', 'totalBeyondTime'] as const),
      ...(['idempotencyKeyReused', 'meterUnavailable'] as const),
    ),
  },
});

const endRoute = createRoute({
  method: 'post',
  path: '/v1/sessions/{session}/end',
  tags: ['sessions'],
  summary: 'End a session without a socket',
  description: 'Repeated, it answers the same.',
  security: backendSecurity,
  request: {
    params: sessionParams,
    query: z.object({ org: idSchema('acme').optional() }),
    headers: idempotencyHeader,
    ...jsonBody(z.strictObject({ totalMs: totalSchema.optional() }).openapi('EndBody')),
  },
  responses: {
    200: json(leasedSchema, 'As it ended.'),
    ...problemResponses(
      ...(['sessionUnknown', 'sessionEnded', 'sessionHasSocket', 'totalBeyondTime'] as const),
      ...(['idempotencyKeyReused', 'meterUnavailable'] as const),
    ),
  },
});

export function leasedSessions(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(startRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const body = c.req.valid('json');
    const period = await presentPeriod(deps, org);
    const answer = await writeOnce<LeasedShown>(c, deps.db.of(org), {
      run: (tx) => start(deps, tx, org, body, period.startsAt),
    });
    if (answer.status === 201 && !answer.repeated && body.metadata !== undefined) {
      deps.metadata.keep(org, answer.body.session, body.metadata);
    }
    return c.json(answer.body, answer.status);
  });

  app.openapi(minutesRoute, async (c) => {
    const { org } = c.req.valid('param');
    requireBackend(c.get('principal'), org);
    const { session, totalMs } = c.req.valid('json');
    const shown = await repeatable(c, deps.db.of(org), async (db) => {
      const lease = await requireLease(deps, db, org, session);
      const told = await tellTotal(deps, db, lease, totalMs);
      // It needs no time to save: what a stopped one was charged is all there will be.
      if (told.stop !== null) told.row = await endLeased(deps, db, lease, told, told.stop);
      return shownLeased(deps, lease, told);
    });
    return c.json(shown, 200);
  });

  app.openapi(endRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    const { session } = c.req.valid('param');
    const { org: asked } = c.req.valid('query');
    const { totalMs = null } = c.req.valid('json');
    const shown = await repeatable(c, visibleTo(deps, principal, asked), async (db) => {
      const lease = await leaseToEnd(deps, db, principal, session, asked);
      return endOnce(deps, db, lease, totalMs);
    });
    return c.json(shown, 200);
  });
  return app;
}

async function endOnce(
  deps: HttpDeps,
  db: Queryable,
  lease: Lease,
  totalMs: number | null,
): Promise<LeasedShown> {
  try {
    const told = await tellTotal(deps, db, lease, totalMs);
    const reason = told.stop ?? 'stopped';
    told.row = await endLeased(deps, db, lease, told, reason);
    told.stop = told.row.reason || reason;
    return shownLeased(deps, lease, told);
  } catch (error) {
    if (!(error instanceof ProblemError && error.code === 'sessionEnded')) throw error;
    // The meter has let it go: a repetition is answered from the ledger, which has all of it.
    const [row] = await findSessions(db, lease.session, [lease.org]);
    if (row?.state !== 'closed' || (totalMs ?? 0) > row.recordedMs) throw error;
    return shownClosed(deps, db, lease, row);
  }
}

/** Totals repeat themselves harmlessly: only a key, if one was sent, needs a transaction. */
async function repeatable(
  c: Context<HttpEnv>,
  db: Database,
  run: (db: Queryable) => Promise<LeasedShown>,
): Promise<LeasedShown> {
  if (c.req.header('idempotency-key') === undefined) return run(db);
  const answer = await writeOnce<LeasedShown>(c, db, {
    run: async (tx) => ({ status: 200, body: await run(tx) }),
  });
  return answer.body;
}

async function start(
  deps: HttpDeps,
  tx: Transaction,
  org: string,
  body: LeasedBody,
  period: number,
): Promise<Effect<LeasedShown>> {
  const { user, session = randomUUID(), minutesOf, plannedMs = null } = body;
  await makeMember(tx, org, user);
  const limits = await loadLimits(tx, org, user, session);
  if (limits === null) throw organizationUnknown(org);
  const refusal = refusedByPlan(limits, body);
  if (refusal !== null && !isShadowed(limits, refusal.reason))
    throw byPlan(deps, refusal.reason, limits, body);

  const made = {
    org,
    session,
    user,
    period,
    minutesOf,
    leaseMs: body.leaseSeconds * MS_PER_SECOND,
  };
  const isNew = await makeLease(tx, { ...made, beganAt: Math.floor(deps.meterNow()) });
  const lease = (await loadLease(tx, org, session))!;
  if (!isNew) {
    if (lease.user !== user) throw unknown(session);
    const told = await tellTotal(deps, tx, lease, null);
    if (told.row.state === 'ended') throw hasEnded(session);
    return { status: 200, body: shownLeased(deps, lease, told) };
  }
  const known = body.session === undefined ? null : await deps.meter.readSession(org, session);
  if (known?.status === 'recover') throw recovering(deps, org);
  if (known?.status === 'ok') throw hasSocket(session);
  const admits = admissionLimits(limits, 1);
  const opened = await openingWithin(
    deps,
    tx,
  )({
    ...{ session, org, user, period, plannedMs, memoryMs: 0, countedGapMs: 0 },
    ...{ isFresh: body.session === undefined, mayBeNew: true, witness: null, startedAt: null },
    ...{ authenticates: false, isAwaited: () => true, wait: null },
    ...admits,
  });
  if (opened === null) throw unknown(session);
  const dayEndsAt = admits.dayAt(Math.floor(deps.meterNow()))?.endsAt ?? null;
  const refused = refusalOf(opened, plannedMs, deps.actions, dayEndsAt);
  if (refused !== null) {
    const { code, detail, actions } = refused;
    throw new ProblemError(code, detail, { actions: httpActionsOf(actions) });
  }
  if (opened.status !== 'opened') throw hasSocket(session);
  await beganAt(tx, lease, opened.session.startedAt);
  // One decision a session: the plan's comes first.
  if (refusal === null) deps.admitted?.({ opened, plannedMs });
  else {
    const at = opened.session.startedAt;
    deps.shadowed?.(startDecision({ user, session, at, period }, refusal.reason, limits, body));
  }
  const told = await tellTotal(deps, tx, { ...lease, beganAt: opened.session.startedAt }, null);
  return { status: 201, body: shownLeased(deps, lease, told) };
}

const isShadowed = (limits: Limits, reason: PlanReason) =>
  limits.isShadow && reason !== 'organizationSuspended';

function byPlan(
  deps: HttpDeps,
  reason: PlanReason,
  limits: Limits,
  { user, feature = '', bytes }: LeasedBody,
): ProblemError {
  const { org, plan } = limits;
  if (reason === 'featureNotAllowed') {
    return denied(deps, { org, user, feature, quantity: 1 }, plan, deniedBy(limits, feature)!);
  }
  if (reason === 'organizationSuspended') {
    const detail = `The organization "${org}" is suspended: lift the suspension first.`;
    return new ProblemError('organizationSuspended', detail, { actions: [{ type: 'askAdmin' }] });
  }
  const detail = `The file has ${bytes} bytes, more than the plan takes: make it smaller, or upgrade.`;
  return new ProblemError('fileTooLarge', detail, { actions: httpActionsOf(deps.actions('plan')) });
}
