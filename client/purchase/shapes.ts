/** What the HTTP API says of extra minutes. Instants are ISO 8601, money in the smallest unit. */

export interface ExtraMinutesPackage {
  package: string;
  name: string;
  grantedMs: number;
  priceCents: number;
  currency: string;
  /** Days after the payment; null: its minutes do not expire. */
  expiresAfterDays?: number | null;
}

/** How payments are made at this installation. */
export interface Payments {
  /** `test`: no money moves. null: nothing can be bought here. */
  provider: 'stripe' | 'test' | null;
  livemode: boolean;
  publishableKey: string | null;
  /** Of Stripe.js; loaded from here and nowhere else. */
  scriptUrl: string | null;
}

export interface PackageList {
  items: readonly ExtraMinutesPackage[];
  payments: Payments;
}

/** The package that fits an organization's use. */
export interface Recommendation {
  /** null: none is needed, as far as can be seen */
  package: string | null;
  reason: string;
  /** The reason in words. */
  detail: string;
}

export type PurchaseStatus =
  | 'open'
  | 'requiresAction'
  | 'processing'
  | 'failed'
  | 'canceled'
  | 'paid';
export type PurchaseMethod = 'paymentIntent' | 'checkout' | 'test';

export interface Purchase {
  purchase: string;
  user: string | null;
  kind: 'purchase' | 'topUp';
  status: PurchaseStatus;
  method: PurchaseMethod;
  package: string;
  grantedMs: number;
  amountCents: number;
  currency: string;
  livemode: boolean;
  startedAt: string;
  paidAt: string | null;
  failure: { code: string; message: string } | null;
  refundedCents: number;
  dispute: 'inquiry' | 'open' | 'lost' | 'won' | null;
  lot: { usedMs: number; reversedMs: number; debtMs: number; expiresAt: string | null } | null;
  /** Minutes lent while the payment confirms. */
  hold: { ms: number; until: string; endedAt: string | null } | null;
}

export interface StartedPurchase extends Purchase {
  clientSecret: string | null;
  checkoutUrl: string | null;
  /** What the plan lends while it confirms; 0: nothing. Gateways of before do not say. */
  holdMs?: number;
}

export interface Balance {
  /** Live: what is not settled yet counts. */
  remainingMs: number;
}

export interface PurchasePage {
  items: readonly Purchase[];
  nextCursor: string | null;
}
