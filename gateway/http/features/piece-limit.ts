/** Which limits a feature has for a member, and which of them decides. Pure: no clock, no database. */
import type { Period } from '../../../core/calendar/period.ts';
import type { Limits } from '../../../drizzle/queries/load-limits.ts';
import type { Feature } from '../../../drizzle/schema/plans.ts';

export type Scope = 'organization' | 'member';
export type Per = 'day' | 'month';
export type FeatureReason = 'featureNotAllowed' | 'limitReached';

/** The local day and the billing month of an instant. */
export type Windows = Record<Per, Period>;

/** One of the four counts of a feature, and its limit if it has one. */
export interface PieceLimit {
  scope: Scope;
  per: Per;
  /** null: none */
  limit: number | null;
}

/** A count as it stands. */
export interface PieceCount extends PieceLimit {
  used: number;
  resetsAt: number;
}

/** In the order in which their rows are locked, everywhere. */
const COUNTS = [
  { scope: 'organization', per: 'day' },
  { scope: 'organization', per: 'month' },
  { scope: 'member', per: 'day' },
  { scope: 'member', per: 'month' },
] as const satisfies readonly { scope: Scope; per: Per }[];

type OwnedLimits = Pick<Limits, 'features' | 'member'>;

/** Who does not allow the feature at all; null: it is allowed, as far as its pieces go. */
export function deniedBy(limits: OwnedLimits, feature: string): Scope | null {
  const ofPlan = limitOf(limits.features, feature);
  if (ofPlan === undefined || isNo(ofPlan)) return 'organization';
  const own = limitOf(limits.member?.features ?? {}, feature);
  return own !== undefined && isNo(own) ? 'member' : null;
}

/** All four counts: those without a limit are counted, too, should it get one in their time. */
export function pieceLimits(limits: OwnedLimits, feature: string): PieceLimit[] {
  const denied = deniedBy(limits, feature);
  const features = { organization: limits.features, member: limits.member?.features ?? {} };
  return COUNTS.map(({ scope, per }) => {
    // For shadow mode, which counts what it would have refused.
    if (scope === denied) return { scope, per, limit: 0 };
    const own = limitOf(features[scope], feature);
    const isCounted = typeof own === 'object' && own.per === per;
    return { scope, per, limit: isCounted ? own.limit : null };
  });
}

/**
 * The count that decides: with the least that remains; of several the one that takes longest to come
 * back; of several the organization's. Without any limit the organization's month.
 */
export function bindingCount(counts: readonly PieceCount[]): PieceCount {
  const limited = counts.filter(({ limit }) => limit !== null);
  if (limited.length === 0) {
    return counts.find(({ scope, per }) => scope === 'organization' && per === 'month')!;
  }
  return limited.reduce((best, count) => {
    const by = remainingOf(count)! - remainingOf(best)!;
    return by < 0 || (by === 0 && count.resetsAt > best.resetsAt) ? count : best;
  });
}

/** Pieces that are left; null: no limit. Never below 0, where a limit was lowered below the use. */
export function remainingOf({ limit, used }: Pick<PieceCount, 'limit' | 'used'>): number | null {
  return limit === null ? null : Math.max(0, limit - used);
}

function limitOf(features: Record<string, Feature>, feature: string): Feature | undefined {
  return Object.hasOwn(features, feature) ? features[feature] : undefined;
}

/** A quota of no pieces is a no. */
function isNo(feature: Feature): boolean {
  return typeof feature === 'object' ? feature.limit === 0 : !feature;
}
