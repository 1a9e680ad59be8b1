/**
 * Which package fits a person's use: the smallest that carries them as far as can be seen. What can be
 * seen is what this period will lack by its forecast, and what was bought in periods before.
 */

export interface Offer {
  package: string;
  grantedMs: number;
  priceCents: number;
}

export interface Need {
  /** what is left of everything, plan and extra; null = unlimited */
  remainingMs: number | null;
  /** of extra minutes alone */
  extraRemainingMs: number;
  usedMs: number;
  /** what the forecast expects to be used when the period ends; null: it knows nothing */
  periodUsedMs: number | null;
  /** extra minutes used a period, of the periods before; empty: none is known */
  extraBeforeMs: readonly number[];
}

export type RecommendationReason = 'shortThisPeriod' | 'atLimit' | 'asBefore' | 'enough';

export interface Recommendation {
  /** null: nothing has to be bought, or nothing is on sale */
  offer: Offer | null;
  /** more than 1 only where no package is large enough */
  quantity: number;
  needMs: number;
  reason: RecommendationReason;
}

/** `offers` of one currency, in any order. */
export function recommend(need: Need, offers: readonly Offer[]): Recommendation {
  const { needMs, reason } = shortageOf(need);
  if (reason === 'enough') return { offer: null, quantity: 0, needMs: 0, reason };
  const bySize = [...offers].sort((a, b) => a.grantedMs - b.grantedMs);
  const covering = bySize.filter(({ grantedMs }) => grantedMs >= needMs);
  const offer = cheapest(covering) ?? bySize.at(-1) ?? null;
  const quantity = offer === null ? 0 : Math.max(1, Math.ceil(needMs / offer.grantedMs));
  return { offer, quantity, needMs, reason };
}

/** A larger package can cost less, while it is on sale. */
function cheapest(offers: readonly Offer[]): Offer | undefined {
  return offers.reduce<Offer | undefined>(
    (best, it) => (best === undefined || it.priceCents < best.priceCents ? it : best),
    undefined,
  );
}

function shortageOf(need: Need): { needMs: number; reason: RecommendationReason } {
  const { remainingMs, extraRemainingMs, usedMs, periodUsedMs } = need;
  if (remainingMs === null) return { needMs: 0, reason: 'enough' };
  const aheadMs = Math.max(0, (periodUsedMs ?? usedMs) - usedMs);
  const shortMs = Math.max(0, aheadMs - remainingMs);
  const beforeMs = Math.max(0, mean(need.extraBeforeMs) - extraRemainingMs);
  const needMs = Math.max(shortMs, beforeMs);
  if (remainingMs === 0) return { needMs, reason: 'atLimit' };
  if (shortMs > 0) return { needMs, reason: 'shortThisPeriod' };
  // Who bought each month will buy again, but not before the plan's own minutes are nearly gone.
  const isNear = remainingMs <= extraRemainingMs + NEAR_SHARE * (usedMs + remainingMs);
  if (beforeMs > 0 && isNear) return { needMs, reason: 'asBefore' };
  return { needMs: 0, reason: 'enough' };
}

const NEAR_SHARE = 0.2;

function mean(values: readonly number[]): number {
  if (values.length === 0) return 0;
  return Math.round(values.reduce((sum, it) => sum + it, 0) / values.length);
}
