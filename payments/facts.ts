/**
 * What Stripe tells of one payment, in our words. A fact is merged with what is known by a rule that
 * gives the same whatever came first, and however often: of two statuses the later one holds (`later`),
 * of two amounts that only grow the larger one.
 */
import type { payments } from '../drizzle/schema/payments.ts';

export type PaymentStatus = (typeof payments.$inferSelect)['status'];

export type Fact = StatusFact | RefundFact | ChargeFact | DisputeFact;

/** How a payment stands. */
export interface StatusFact {
  kind: 'status';
  status: PaymentStatus;
  /** epoch ms by Stripe's clock, which has whole seconds only */
  at: number;
  failure: { code: string; message: string } | null;
  /** what was received, when paid */
  cents: number;
  currency: string;
}

/** One refund; a charge may have several. */
export interface RefundFact {
  kind: 'refund';
  id: string;
  cents: number;
  status: 'pending' | 'requiresAction' | 'succeeded' | 'failed' | 'canceled';
}

/** What a charge says of all its refunds together; refunds that fail later stay in it. */
export interface ChargeFact {
  kind: 'charge';
  refundedCents: number;
}

export interface DisputeFact {
  kind: 'dispute';
  id: string;
  /** in `currency`, which is the bank's and may be another one than was paid in */
  cents: number;
  currency: string;
  status: 'inquiry' | 'inquiryClosed' | 'open' | 'lost' | 'won';
  reason: string | null;
}

const STATUS_RANK: Readonly<Record<PaymentStatus, number>> = {
  open: 0,
  requiresAction: 1,
  processing: 2,
  failed: 3,
  canceled: 4,
  paid: 5,
};
/** What ends it outranks what Stripe said later: a paid intent is never anything else. */
const isFinal = (status: PaymentStatus) => (status === 'paid' ? 2 : status === 'canceled' ? 1 : 0);

interface Standing {
  status: PaymentStatus;
  /** null: nothing was heard yet */
  at: number | null;
}

/** Whether `next` holds over `known`. A second may bring several: then the further one holds. */
export function isLaterStatus(next: Standing, known: Standing): boolean {
  const order = (it: Standing) => [isFinal(it.status), it.at ?? 0, STATUS_RANK[it.status]] as const;
  const [a, b] = [order(next), order(known)];
  const differs = a.findIndex((value, i) => value !== b[i]);
  return differs !== -1 && a[differs]! > b[differs]!;
}

const REFUND_RANK: Readonly<Record<RefundFact['status'], number>> = {
  pending: 0,
  requiresAction: 1,
  succeeded: 2,
  // A refund can fail after it succeeded: the bank sends the money back.
  failed: 3,
  canceled: 4,
};

export function isLaterRefund(next: RefundFact['status'], known: RefundFact['status']): boolean {
  return REFUND_RANK[next] > REFUND_RANK[known];
}

const DISPUTE_RANK: Readonly<Record<DisputeFact['status'], number>> = {
  inquiry: 0,
  inquiryClosed: 1,
  open: 2,
  lost: 3,
  // A lost one may be turned round; a won one stays won.
  won: 4,
};

export function isLaterDispute(next: DisputeFact['status'], known: DisputeFact['status']): boolean {
  return DISPUTE_RANK[next] > DISPUTE_RANK[known];
}
