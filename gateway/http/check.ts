/**
 * Whether a recording could start now. Decides by the same limits as an admission, reserves
 * nothing, and answers 200 either way: a refusal is an answer, not an error.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { localDay, localDayBounds } from '../../core/calendar/local-day.ts';
import type { Action, Binding, RefusalCode } from '../../core/protocol/messages.ts';
import { type Limits, loadLimits } from '../../drizzle/queries/load-limits.ts';
import type { ShadowDecision } from '../../drizzle/queries/save-shadow.ts';
import { bindingOf } from '../reading.ts';
import { featureDecision, fileDecision } from '../shadow/plan-decision.ts';
import { withWait } from '../wait-action.ts';
import { placesNow } from './admission/places-now.ts';
import { refusedByPlan } from './admission/plan-refusal.ts';
import type { HttpDeps } from './deps.ts';
import { checkUsage } from './features/check-usage.ts';
import { type PiecesShown, piecesSchema, quantitySchema } from './features/piece-schema.ts';
import { type LiveBudgets, organizationUnknown, readLiveBudgets } from './live-budgets.ts';
import { backendOrTicketSecurity } from './openapi.ts';
import { requireMember } from './principal.ts';
import { actionSchema, problemResponses } from './problem.ts';
import { bindingSchema, httpActionsOf, httpReadingOf, readingSchema } from './reading.ts';
import { newRouter } from './router.ts';
import { idSchema, json, jsonBody, orgParams } from './schemas.ts';
import { costCentsSchema, costSchema } from './usage-events/cost.ts';

const REASONS = [
  'organizationSuspended',
  'featureNotAllowed',
  'costCeilingReached',
  'fileTooLarge',
  'limitReached',
  'plannedTooLong',
  'concurrencyLimit',
] as const satisfies readonly (RefusalCode | 'fileTooLarge' | 'costCeilingReached')[];
type Reason = (typeof REASONS)[number];

const checkBodySchema = z
  .strictObject({
    user: idSchema('ann'),
    feature: idSchema('analysis').optional(),
    quantity: quantitySchema.default(1).openapi({ description: 'Pieces of the feature.' }),
    costCents: costCentsSchema.optional().openapi({ description: 'What it is going to cost.' }),
    plannedMs: z.int().min(0).optional().openapi({ description: 'How long it will be.' }),
    bytes: z.int().min(0).optional().openapi({ description: 'How large the file is.' }),
  })
  .openapi('CheckBody');

const checkSchema = z
  .object({
    allowed: z.boolean(),
    reason: z.enum(REASONS).nullable().openapi({
      description: 'Why not. In shadow mode it says why not, and `allowed` is true all the same.',
    }),
    binding: bindingSchema,
    reading: readingSchema,
    feature: piecesSchema.nullable().openapi({ description: 'Of the feature asked for.' }),
    cost: costSchema.nullable().openapi({ description: 'Of today, where a cost was given.' }),
    actions: z.array(actionSchema).openapi({ description: 'What would help, most useful first.' }),
  })
  .openapi('Check');

const checkRoute = createRoute({
  method: 'post',
  path: '/v1/orgs/{org}/check',
  tags: ['check'],
  summary: 'Whether a recording could start now',
  description: 'Asks, and reserves nothing: the start itself decides.',
  security: backendOrTicketSecurity,
  request: { params: orgParams, ...jsonBody(checkBodySchema) },
  responses: {
    200: json(checkSchema, 'Allowed or not, the limit that decides, and what would help.'),
    ...problemResponses('organizationUnknown', 'meterUnavailable'),
  },
});

type Ask = z.output<typeof checkBodySchema>;
interface Refusal {
  reason: Reason;
  binding: Binding;
  /** Left out: those of the binding limit. */
  actions?: Action[];
}

export function check(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(checkRoute, async (c) => {
    const { org } = c.req.valid('param');
    const ask = c.req.valid('json');
    requireMember(c.get('principal'), org, ask.user);
    const limits = await loadLimits(deps.db.of(org), org, ask.user);
    if (limits === null) throw organizationUnknown(org);
    const budgets = await readLiveBudgets(deps, org, ask.user);
    const usage = await checkUsage(deps, limits, ask, budgets);
    const refusal: Refusal | null =
      refusedByPlan(limits, { bytes: ask.bytes }) ??
      usage.refusal ??
      refusedByBudget(deps, limits, budgets, ask) ??
      (await refusedByCount(deps, limits, ask, budgets.at));

    const row =
      refusal?.binding === 'member'
        ? budgets.member!
        : refusal?.binding === 'organization'
          ? budgets.organization
          : bindingOf([budgets.organization, budgets.member!])!;
    const reading = httpReadingOf(row, budgets.at);
    const isShadowed = limits.isShadow && refusal?.reason !== 'organizationSuspended';
    if (isShadowed && refusal !== null) {
      const decision = shadowDecision(limits, ask, refusal, usage.pieces, budgets);
      if (decision !== null) deps.shadowed?.(decision);
    }
    return c.json(
      {
        allowed: refusal === null || isShadowed,
        reason: refusal?.reason ?? null,
        binding: refusal?.binding ?? reading.binding,
        reading,
        feature: usage.pieces,
        cost: usage.cost,
        actions: httpActionsOf(refusal?.actions ?? (refusal ? deps.actions(refusal.binding) : [])),
      },
      200,
    );
  });
  return app;
}

/** Of features and files alone: time and places are decided by the start, which is written down. */
function shadowDecision(
  { org, timeZone, maxFileBytes }: Limits,
  { user, quantity, bytes }: Ask,
  { reason, binding }: Refusal,
  pieces: PiecesShown | null,
  { at, period }: LiveBudgets,
): ShadowDecision | null {
  const asked = { org, user, session: null, at: Math.floor(at), period: period.startsAt, timeZone };
  if (reason === 'fileTooLarge') {
    return fileDecision(asked, { allowed: maxFileBytes!, wanted: bytes! });
  }
  const isOfFeature = reason === 'featureNotAllowed' || reason === 'limitReached';
  if (!isOfFeature || binding !== 'feature' || pieces === null) return null;
  const allowed = reason === 'featureNotAllowed' ? 0 : pieces.limit!;
  return featureDecision(asked, pieces.feature, reason, {
    ...{ used: pieces.used, allowed, wanted: quantity },
  });
}

function refusedByBudget(
  deps: HttpDeps,
  limits: Limits,
  { organization, member }: LiveBudgets,
  { plannedMs }: Ask,
): Refusal | null {
  const rooms = [
    ['organization', organization.remainingMs, organization],
    ['member', member!.remainingMs, member!],
    ['session', limits.maxSessionMs, undefined],
  ] as const;
  for (const [binding, roomMs, row] of rooms) {
    if (roomMs !== 0) continue;
    return { reason: 'limitReached', binding, actions: withWait(deps.actions(binding), row) };
  }
  for (const [binding, roomMs, row] of rooms) {
    if (roomMs === null || plannedMs === undefined || plannedMs <= roomMs) continue;
    const actions = withWait(deps.actions(binding), row, plannedMs);
    return { reason: 'plannedTooLong', binding, actions };
  }
  return null;
}

async function refusedByCount(
  deps: HttpDeps,
  limits: Limits,
  { user }: Ask,
  at: number,
): Promise<Refusal | null> {
  const { org, concurrentSessions, sessionsPerDay, member, timeZone } = limits;
  const ownPerDay = member?.sessionsPerDay ?? null;
  const day = localDayBounds(localDay(at, timeZone), timeZone);
  const isPerDay = sessionsPerDay !== null || ownPerDay !== null;
  const places = await placesNow(deps, org, user, day, isPerDay);
  const { live, memberLive, waiting, begun, memberBegun } = places;
  const isFull = (limit: number | null, used: number) => limit !== null && used >= limit;
  if (isFull(ownPerDay, memberBegun) || isFull(sessionsPerDay, begun)) {
    const wait: Action = { type: 'wait', until: day.endsAt };
    return { reason: 'limitReached', binding: 'day', actions: [...deps.actions('day'), wait] };
  }
  // Who waits for a place is before whoever asks now.
  return isFull(concurrentSessions, live + waiting) ||
    isFull(member?.concurrentSessions ?? null, memberLive)
    ? { reason: 'concurrencyLimit', binding: 'concurrency' }
    : null;
}
