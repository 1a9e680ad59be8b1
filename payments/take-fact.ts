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
import type { Fact, StatusFact } from './facts.ts';
import { lend } from './lend.ts';
import { lotTarget } from './lot-target.ts';
import { mergeFact } from './merge-fact.ts';
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
  told: Fact,
  at: number,
): Promise<Taken | null> {
  const known = await lockPayment(tx, payment);
  if (known === null) return null;
  const { row, state } = known;
  const { org } = row;
  const fact = inCurrencyOf(row, told);
  const why = whyNot(row, fact);
  if (why !== null) return { taken: 'refused', org, why };
  if (mergeFact(state, fact) === state) return { taken: 'none', org };
  await write(tx, row, fact, at);
  // The bank has it, and takes its time; refused, minutes come when it is paid.
  if (fact.kind === 'status' && fact.status === 'processing') await lend(tx, row, at, 'stripe');
  await openLot(tx, payment);
  await applyGrant(tx, org);
  return { taken: 'applied', org };
}

/** A dispute in another currency says nothing of how much of the payment it is: all of it is. */
function inCurrencyOf({ currency, amountCents: cents }: PaymentRow, fact: Fact): Fact {
  if (fact.kind !== 'dispute' || fact.currency === currency) return fact;
  return { ...fact, cents, currency };
}

/** Money that is not what was asked for buys nothing: a person has to look. */
function whyNot(row: PaymentRow, fact: Fact): string | null {
  if (fact.kind !== 'status' || fact.status !== 'paid') return null;
  if (fact.currency === row.currency && fact.cents >= row.amountCents) return null;
  return `${fact.cents} ${fact.currency} were received for payment ${row.id} of ${row.amountCents} ${row.currency}.`;
}

/** Says anew what the fact is of; `mergeFact` has said that it is news. */
async function write(tx: Transaction, row: PaymentRow, fact: Fact, at: number): Promise<void> {
  const { id: payment, org } = row;
  switch (fact.kind) {
    case 'status':
      await writeStatus(tx, row, fact, at);
      return;
    case 'charge':
      await tx
        .update(payments)
        .set({ chargeRefundedCents: fact.refundedCents })
        .where(eq(payments.id, payment));
      return;
    case 'refund': {
      const { id, cents, status } = fact;
      await tx
        .insert(paymentRefunds)
        .values({ id, org, payment, cents, status })
        .onConflictDoUpdate({
          target: paymentRefunds.id,
          set: { cents, status },
          setWhere: eq(paymentRefunds.payment, payment),
        });
      return;
    }
    case 'dispute': {
      const { id, cents, status, reason } = fact;
      await tx
        .insert(paymentDisputes)
        .values({ id, org, payment, cents, status, reason })
        .onConflictDoUpdate({
          target: paymentDisputes.id,
          set: { cents, status },
          setWhere: eq(paymentDisputes.payment, payment),
        });
    }
  }
}

async function writeStatus(tx: Transaction, row: PaymentRow, fact: StatusFact, at: number) {
  const isPaid = fact.status === 'paid';
  await tx
    .update(payments)
    .set({
      status: fact.status,
      statusAt: fact.at,
      failureCode: fact.failure?.code ?? null,
      failureMessage: fact.failure?.message ?? null,
      paidAt: isPaid ? (row.paidAt ?? at) : null,
      // One that failed may be tried again, and keeps what is lent; given up, nothing is waited for.
      ...(fact.status === 'canceled' &&
        row.holdUntil !== null && { holdEndedAt: row.holdEndedAt ?? at }),
    })
    .where(eq(payments.id, row.id));
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
