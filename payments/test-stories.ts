/** The events of one purchase as Stripe would send them, for tests, and what they leave of its lot. */
import type { DisputeFact, Fact, RefundFact, StatusFact } from './facts.ts';
import type { LotTarget } from './lot-target.ts';
import type { PaymentFacts } from './merge-fact.ts';

export interface Story {
  title: string;
  facts: readonly Fact[];
  lot: LotTarget;
}

/** Ten minutes for 1000 cents. */
export const STARTED: PaymentFacts = {
  ...{ status: 'open', statusAt: null, grantedMs: 600_000, amountCents: 1000 },
  ...{ chargeRefundedCents: 0, holdMs: 0, holdEnded: false, refunds: [], disputes: [] },
};

const status = (of: StatusFact['status'], at: number): StatusFact => ({
  ...{ kind: 'status', status: of, at, failure: null, cents: 1000, currency: 'usd' },
});
const refund = (id: string, cents: number, of: RefundFact['status']): RefundFact => ({
  ...{ kind: 'refund', id, cents, status: of },
});
const charge = (refundedCents: number): Fact => ({ kind: 'charge', refundedCents });
const dispute = (of: DisputeFact['status']): DisputeFact => ({
  ...{ kind: 'dispute', id: 'dp_1', cents: 500, currency: 'usd', status: of },
  reason: 'fraudulent',
});

/** Stripe's clock has whole seconds: some of it happens within one. */
const BOUGHT: readonly Fact[] = [
  ...[status('open', 1000), status('requiresAction', 1000), status('processing', 2000)],
  // A clock of theirs may be ahead: paid is paid.
  ...[status('failed', 4000), status('paid', 3000)],
];
const REFUNDED: readonly Fact[] = [
  ...[charge(300), refund('re_1', 300, 'succeeded'), refund('re_2', 200, 'pending'), charge(500)],
];
const FAILED = refund('re_2', 200, 'failed');
const OPENED = dispute('open');
const lot = (reversedMs: number, isFrozen = false): LotTarget => ({
  ...{ reversedMs, isFrozen, isHeld: false },
});

export const FULL_STORY: readonly Story[] = [
  {
    title: 'refunded in two parts, disputed and lost',
    facts: [...BOUGHT, ...REFUNDED, OPENED, dispute('lost')],
    lot: lot(600_000),
  },
  {
    title: 'refunded in two parts of which one fails, disputed and won',
    facts: [...BOUGHT, ...REFUNDED, FAILED, OPENED, dispute('won')],
    lot: lot(180_000),
  },
  {
    title: 'refunded in part, a dispute lost and then turned round',
    facts: [...BOUGHT, ...REFUNDED.slice(0, 2), OPENED, dispute('lost'), dispute('won')],
    lot: lot(180_000),
  },
  {
    title: 'a refund and a lost dispute told twice, with other amounts the second time',
    facts: [
      ...[status('paid', 3000), refund('re_1', 200, 'pending'), refund('re_1', 300, 'pending')],
      ...[OPENED, { ...dispute('lost'), cents: 400 }, dispute('lost')],
    ],
    lot: lot(480_000),
  },
  {
    title: 'refunded in part, a dispute open still',
    facts: [...BOUGHT, ...REFUNDED.slice(0, 2), dispute('inquiry'), OPENED],
    lot: lot(180_000, true),
  },
];
