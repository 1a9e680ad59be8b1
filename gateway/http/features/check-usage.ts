/** What a check says of pieces and money: as they stand, and whether what is asked for would fit. */
import { localDay, localDayBounds } from '../../../core/calendar/local-day.ts';
import type { Period } from '../../../core/calendar/period.ts';
import type { Action, Binding } from '../../../core/protocol/messages.ts';
import type { Limits } from '../../../drizzle/queries/load-limits.ts';
import type { HttpDeps } from '../deps.ts';
import { type CostShown, costShown, type DayCost, microsOf } from '../usage-events/cost.ts';
import { readDailyCost } from '../usage-events/daily-cost.ts';
import { ceilingActions } from '../usage-events/refusal.ts';
import { readCounts } from './consumption.ts';
import { bindingCount, deniedBy, type PieceCount, remainingOf } from './piece-limit.ts';
import { type PiecesShown, piecesShown } from './piece-schema.ts';
import { featureActions } from './refusal.ts';

export interface UsageAsked {
  user: string;
  feature?: string | undefined;
  quantity: number;
  costCents?: number | undefined;
}

export interface UsageRefusal {
  reason: 'featureNotAllowed' | 'limitReached' | 'costCeilingReached';
  binding: Binding;
  actions: Action[];
}

export interface UsageChecked {
  /** null: no feature was asked for */
  pieces: PiecesShown | null;
  /** null: no cost was asked for */
  cost: CostShown | null;
  refusal: UsageRefusal | null;
}

type Deps = Pick<HttpDeps, 'db' | 'actions'>;

/** @param at meter time, epoch ms; `period`: the billing period of it */
export async function checkUsage(
  deps: Deps,
  limits: Limits,
  asked: UsageAsked,
  { at, period }: { at: number; period: Period },
): Promise<UsageChecked> {
  const { user, feature, quantity, costCents } = asked;
  const db = deps.db.of(limits.org);
  const counts =
    feature === undefined ? null : await readCounts(db, limits, { user, feature }, at, period);
  const cost = costCents === undefined ? null : await costOf(deps, limits, at);
  return {
    pieces: counts === null ? null : piecesShown(feature!, counts),
    cost: cost === null ? null : costShown(cost),
    refusal:
      (counts && refusedByPieces(deps, limits, feature!, counts, quantity)) ??
      (cost && refusedByCost(deps, cost, microsOf(costCents!))),
  };
}

function refusedByPieces(
  deps: Deps,
  limits: Limits,
  feature: string,
  counts: readonly PieceCount[],
  quantity: number,
): UsageRefusal | null {
  const denier = deniedBy(limits, feature);
  if (denier !== null) {
    const actions = featureActions(deps, denier, null);
    return { reason: 'featureNotAllowed', binding: 'feature', actions };
  }
  const count = bindingCount(counts);
  const remaining = remainingOf(count);
  if (remaining === null || quantity <= remaining) return null;
  const actions = featureActions(deps, count.scope, count.resetsAt);
  return { reason: 'limitReached', binding: 'feature', actions };
}

async function costOf(deps: Deps, limits: Limits, at: number): Promise<DayCost> {
  const { org, timeZone, dailyCostCents: limitCents } = limits;
  const day = localDay(at, timeZone);
  const usedMicros = await readDailyCost(deps.db.of(org), org, day);
  return { day, usedMicros, limitCents, resetsAt: localDayBounds(day, timeZone).endsAt };
}

/** Asked beforehand, so what would cross the ceiling does not fit; and once it is reached, nothing does. */
function refusedByCost(deps: Deps, cost: DayCost, askedMicros: number): UsageRefusal | null {
  const { limitCents, usedMicros, resetsAt } = cost;
  if (limitCents === null) return null;
  const limitMicros = microsOf(limitCents);
  if (usedMicros < limitMicros && usedMicros + askedMicros <= limitMicros) return null;
  const actions = ceilingActions(deps, resetsAt);
  return { reason: 'costCeilingReached', binding: 'day', actions };
}
