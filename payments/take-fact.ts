/**
 * Takes a fact down and gives what it gives, in the caller's transaction. What is paid serves at
 * once, as a lot of its own. What changes a lot that is there is the worker's to carry out
 * (worker/ledger/reverse.ts), since time that was used must be settled by the old figures first; the
 * word in the outbox wakes it.
 */
import { eq } from 'drizzle-orm';
import type { Transaction } from '../drizzle/client.ts';
import { applyGrant } from '../drizzle/queries/apply-limits.ts';
import { extraMinutesPurchases } from '../drizzle/schema/extra-minutes.ts';
import { paymentDisputes, paymentRefunds, payments } from '../drizzle/schema/payments.ts';
import type { DisputeFact, Fact, RefundFact, StatusFact } from './facts.ts';
import { isLaterDispute, isLaterRefund, isLaterStatus } from './facts.ts';
import { lotTarget } from './lot-target.ts';
import { lockPayment, type PaymentRow } from './payment-state.ts';

const DAY_MS = 24 * 3_600_000;

export type Taken =
  | { taken: 'applied'; org: string }
  /** known already, or outdone by what is known */
  | { taken: 'none'; org: string }
  /** it can't be of this payment; nothing was changed */
  | { taken: 'refused'; org: string; why: string };

/**
 * @param at meter instant
 * null: there is no such payment.
 */
export async function takeFact(
  tx: Transaction,
  payment: string,
  fact: Fact,
  at: number,
): Promise<Taken | null> {
  const known = await lockPayment(tx, payment);
  if (known === null) return null;
  const { row } = known;
  const { org } = row;
  const why = whyNot(row, fact);
  if (why !== null) return { taken: 'refused', org, why };
  if (!(await merge(tx, row, fact, at))) return { taken: 'none', org };
  await openLot(tx, payment);
  await applyGrant(tx, org);
  return { taken: 'applied', org };
}

/** Money that is not what was asked for buys nothing: a person has to look. */
function whyNot(row: PaymentRow, fact: Fact): string | null {
  if (fact.kind !== 'status' || fact.status !== 'paid') return null;
  if (fact.currency === row.currency && fact.cents >= row.amountCents) return null;
  return `${fact.cents} ${fact.currency} were received for payment ${row.id} of ${row.amountCents} ${row.currency}.`;
}

function merge(tx: Transaction, row: PaymentRow, fact: Fact, at: number): Promise<boolean> {
  switch (fact.kind) {
    case 'status':
      return mergeStatus(tx, row, fact, at);
    case 'charge':
      return mergeCharge(tx, row, fact.refundedCents);
    case 'refund':
      return mergeRefund(tx, row, fact);
    case 'dispute':
      return mergeDispute(tx, row, fact);
  }
}

async function mergeStatus(tx: Transaction, row: PaymentRow, fact: StatusFact, at: number) {
  if (!isLaterStatus(fact, { status: row.status, at: row.statusAt })) return false;
  const isPaid = fact.status === 'paid';
  await tx
    .update(payments)
    .set({
      status: fact.status,
      statusAt: fact.at,
      failureCode: fact.failure?.code ?? null,
      failureMessage: fact.failure?.message ?? null,
      paidAt: isPaid ? (row.paidAt ?? at) : null,
    })
    .where(eq(payments.id, row.id));
  return true;
}

async function mergeCharge(tx: Transaction, row: PaymentRow, refundedCents: number) {
  if (refundedCents <= row.chargeRefundedCents) return false;
  await tx
    .update(payments)
    .set({ chargeRefundedCents: refundedCents })
    .where(eq(payments.id, row.id));
  return true;
}

async function mergeRefund(tx: Transaction, { id: payment, org }: PaymentRow, fact: RefundFact) {
  const { id, cents, status } = fact;
  const [known] = await tx.select().from(paymentRefunds).where(eq(paymentRefunds.id, id));
  if (known === undefined) {
    await tx.insert(paymentRefunds).values({ id, org, payment, cents, status });
    return true;
  }
  if (!isLaterRefund(status, known.status)) return false;
  await tx.update(paymentRefunds).set({ cents, status }).where(eq(paymentRefunds.id, id));
  return true;
}

async function mergeDispute(tx: Transaction, { id: payment, org }: PaymentRow, fact: DisputeFact) {
  const { id, cents, status, reason } = fact;
  const [known] = await tx.select().from(paymentDisputes).where(eq(paymentDisputes.id, id));
  if (known === undefined) {
    await tx.insert(paymentDisputes).values({ id, org, payment, cents, status, reason });
    return true;
  }
  if (!isLaterDispute(status, known.status)) return false;
  await tx.update(paymentDisputes).set({ cents, status }).where(eq(paymentDisputes.id, id));
  return true;
}

/** The lot of a payment that is paid, or lends; it is made once, as it stands by all that is known. */
export async function openLot(tx: Transaction, payment: string): Promise<void> {
  const known = await lockPayment(tx, payment);
  const target = known && lotTarget(known.state);
  if (known === null || target === null) return;
  const { row } = known;
  const purchasedAt = row.paidAt ?? row.startedAt;
  await tx
    .insert(extraMinutesPurchases)
    .values({
      id: row.id,
      org: row.org,
      grantedMs: row.grantedMs,
      reversedMs: target.reversedMs,
      frozenAt: target.isFrozen ? purchasedAt : null,
      heldAt: target.isHeld ? row.startedAt : null,
      purchasedAt,
      expiresAt: expiryOf(row),
      source: 'purchase',
      package: row.package,
      amountCents: row.amountCents,
      currency: row.currency,
    })
    .onConflictDoNothing({ target: extraMinutesPurchases.id });
}

/** A lot that is only lent does not expire: its hold ends. */
export function expiryOf({
  paidAt,
  expiresAfterDays,
}: Pick<PaymentRow, 'paidAt' | 'expiresAfterDays'>): number | null {
  if (paidAt === null || expiresAfterDays === null) return null;
  return paidAt + expiresAfterDays * DAY_MS;
}
