/**
 * How much of a lot is left to use by all that is known of its payment: rule 5 of the ledger, a
 * cumulative target and no difference, so that the order of events does not matter.
 */
import type { DisputeFact, PaymentStatus, RefundFact } from './facts.ts';

export interface PaymentState {
  status: PaymentStatus;
  grantedMs: number;
  amountCents: number;
  chargeRefundedCents: number;
  /** lent while it is not paid; 0: nothing */
  holdMs: number;
  /** the loan was withdrawn */
  holdEnded: boolean;
  refunds: readonly Pick<RefundFact, 'cents' | 'status'>[];
  disputes: readonly Pick<DisputeFact, 'cents' | 'status'>[];
}

export interface LotTarget {
  /** of `grantedMs`, what can't be used any more; adjustments take beside it */
  reversedMs: number;
  /** nothing new is used of it while a dispute is open */
  isFrozen: boolean;
  /** not paid yet: burnt after all others */
  isHeld: boolean;
}

/** null: there is no lot, and never was. */
export function lotTarget(state: PaymentState): LotTarget | null {
  const { grantedMs, holdMs } = state;
  if (state.status !== 'paid') {
    if (holdMs === 0) return null;
    const isLent = !state.holdEnded && state.status !== 'canceled';
    return { reversedMs: isLent ? grantedMs - holdMs : grantedMs, isFrozen: false, isHeld: true };
  }
  return {
    reversedMs: shareOf(grantedMs, refundedCents(state) + lostCents(state), state.amountCents),
    isFrozen: state.disputes.some(({ status }) => status === 'open'),
    isHeld: false,
  };
}

/**
 * Money on its way back counts from the moment it was sent. Where the charge says more than the
 * refunds that are known, it is believed, but for those that failed.
 */
export function refundedCents({ refunds, chargeRefundedCents }: PaymentState): number {
  let [given, failed] = [0, 0];
  for (const { cents, status } of refunds) {
    if (status === 'failed' || status === 'canceled') failed += cents;
    else given += cents;
  }
  return Math.max(given, chargeRefundedCents - failed);
}

function lostCents({ disputes }: PaymentState): number {
  return disputes.reduce((sum, { cents, status }) => sum + (status === 'lost' ? cents : 0), 0);
}

/** In whole milliseconds, in the customer's favour; all of it for all of the money, or for no price. */
function shareOf(grantedMs: number, cents: number, amountCents: number): number {
  if (cents <= 0) return 0;
  if (cents >= amountCents) return grantedMs;
  // Their product can be beyond what a number holds exactly.
  return Number((BigInt(grantedMs) * BigInt(cents)) / BigInt(amountCents));
}
