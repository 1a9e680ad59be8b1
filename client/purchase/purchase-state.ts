/** What is known of one purchase at the page: a value, like that of the meter (state.ts). */
import type { ExtraMinutesPackage, Payments, Purchase } from './shapes.ts';

/**
 * - `loading`: what can be bought is being asked
 * - `choosing`: a package is to be chosen
 * - `starting`: the payment is begun at the gateway
 * - `paying`: the person pays; `trouble` says why an attempt failed
 * - `submitting`: what was entered is on its way
 * - `confirming`: it is out of the page's hands; banks take a second, or days
 * - `paid`: the minutes are there
 * - `closed`: nothing can be chosen; `trouble` says why
 */
export type PurchasePhase =
  | 'loading'
  | 'choosing'
  | 'starting'
  | 'paying'
  | 'submitting'
  | 'confirming'
  | 'paid'
  | 'closed';

/**
 * - `declined`: the bank, or Stripe, said no: another card may do
 * - `unreachable`: nobody answered: again
 * - `unavailable`: payments cannot be made at the moment
 * - `notConfigured`: nothing can be bought at this installation
 * - `notAllowed`: this person may not buy
 * - `noPackages`: nothing is on sale
 * - `script`: Stripe.js did not load
 * - `canceled`: the purchase was ended meanwhile
 * - `unexpected`: `detail` is all there is
 */
export type TroubleKind =
  | 'declined'
  | 'unreachable'
  | 'unavailable'
  | 'notConfigured'
  | 'notAllowed'
  | 'noPackages'
  | 'script'
  | 'canceled'
  | 'unexpected';

export interface Trouble {
  kind: TroubleKind;
  /** In the words of whoever said no, where it had any. */
  detail: string;
}

export interface PurchaseState {
  phase: PurchasePhase;
  packages: readonly ExtraMinutesPackage[];
  payments: Payments | null;
  /** The package that is chosen. */
  chosen: string | null;
  /** The one that the app recommends, or that fits the use; whatever is chosen. */
  recommended: string | null;
  purchase: Purchase | null;
  clientSecret: string | null;
  checkoutUrl: string | null;
  /** Nothing was decided for so long that the page looks no more. */
  givenUp: boolean;
  trouble: Trouble | null;
}

export const initialPurchaseState: PurchaseState = {
  phase: 'loading',
  packages: [],
  payments: null,
  chosen: null,
  recommended: null,
  purchase: null,
  clientSecret: null,
  checkoutUrl: null,
  givenUp: false,
  trouble: null,
};

export function chosenPackage(state: PurchaseState): ExtraMinutesPackage | null {
  return state.packages.find((it) => it.package === state.chosen) ?? null;
}
