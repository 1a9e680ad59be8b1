/**
 * What a fact makes of what is known of a payment. Neither the order nor the number of times it is
 * heard matters: what is known is a function of the set of facts (merge-fact.test.ts).
 */
import {
  type DisputeFact,
  type Fact,
  isLaterDispute,
  isLaterRefund,
  isLaterStatus,
  type RefundFact,
} from './facts.ts';
import type { PaymentState } from './lot-target.ts';

export interface PaymentFacts extends PaymentState {
  /** by Stripe's clock; null: nothing was heard yet */
  statusAt: number | null;
  refunds: readonly Pick<RefundFact, 'id' | 'cents' | 'status'>[];
  disputes: readonly Pick<DisputeFact, 'id' | 'cents' | 'status'>[];
}

/** The very same object where the fact says nothing new. */
export function mergeFact<Known extends PaymentFacts>(known: Known, fact: Fact): Known {
  switch (fact.kind) {
    case 'status': {
      const { status, at: statusAt } = fact;
      const isNews = isLaterStatus(fact, { status: known.status, at: known.statusAt });
      return isNews ? { ...known, status, statusAt } : known;
    }
    case 'charge': {
      const { refundedCents } = fact;
      const isNews = refundedCents > known.chargeRefundedCents;
      return isNews ? { ...known, chargeRefundedCents: refundedCents } : known;
    }
    case 'refund': {
      const refunds = withLater(known.refunds, fact, isLaterRefund);
      return refunds === known.refunds ? known : { ...known, refunds };
    }
    case 'dispute': {
      const disputes = withLater(known.disputes, fact, isLaterDispute);
      return disputes === known.disputes ? known : { ...known, disputes };
    }
  }
}

function withLater<Status>(
  known: readonly { id: string; cents: number; status: Status }[],
  { id, cents, status }: { id: string; cents: number; status: Status },
  isLater: (next: Status, known: Status) => boolean,
) {
  const same = known.find((it) => it.id === id);
  if (same !== undefined) {
    // Of two that stand alike the larger amount holds, whichever was heard first.
    const isMore = status === same.status && cents > same.cents;
    if (!isMore && !isLater(status, same.status)) return known;
  }
  return [...known.filter((it) => it !== same), { id, cents, status }];
}
