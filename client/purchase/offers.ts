/** What can be bought, and which of it to begin with. */
import type { Clock } from '../clock.ts';
import { within } from './patience.ts';
import type { PurchaseApi } from './purchase-api.ts';
import type { PurchaseState } from './purchase-state.ts';

/** To be recommended a package is pleasant; nobody waits long for it. Real ms. */
const RECOMMENDATION_PATIENCE_MS = 1_500;

export interface OffersAsked {
  currency: string | undefined;
  /** The package that the app recommends; null: the one that fits the organization's use. */
  recommended: string | null;
  clock: Clock;
}

/** @throws PurchaseProblem where the packages cannot be had */
export async function loadOffers(
  api: PurchaseApi,
  { currency, recommended, clock }: OffersAsked,
): Promise<Pick<PurchaseState, 'packages' | 'payments' | 'chosen' | 'recommended'>> {
  const fitting =
    recommended === null
      ? within(clock, RECOMMENDATION_PATIENCE_MS, api.recommendation(currency))
      : null;
  const { items: packages, payments } = await api.packages(currency);
  const wanted = recommended ?? (await fitting)?.package ?? null;
  const named = packages.find((it) => it.package === wanted)?.package ?? null;
  return { packages, payments, recommended: named, chosen: named ?? packages[0]?.package ?? null };
}
