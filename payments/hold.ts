/** A loan's beginning, where the page says "I am submitting this payment", and its end, unpaid. */
import { eq } from 'drizzle-orm';
import type { Transaction } from '../drizzle/client.ts';
import { applyGrant } from '../drizzle/queries/apply-limits.ts';
import { auditLog } from '../drizzle/schema/operations.ts';
import { payments } from '../drizzle/schema/payments.ts';
import { type HoldRefusal, type Loan, lend } from './lend.ts';
import { lockPayment } from './payment-state.ts';
import { openLot } from './take-fact.ts';

/**
 * Lends minutes while the payment confirms; they serve at once, as the payment's lot. Asked again, the
 * open loan stands.
 * @param at meter instant
 * @param by for the audit log: who asked
 * @returns null: there is no such payment
 */
export async function startHold(
  tx: Transaction,
  payment: string,
  at: number,
  by: string,
): Promise<Loan | null> {
  const known = await lockPayment(tx, payment);
  if (known === null) return null;
  const loan = await lend(tx, known.row, at, by);
  if (!loan.granted || !loan.isNew) return loan;
  await openLot(tx, payment);
  await applyGrant(tx, known.row.org);
  return loan;
}

const SENTENCES: Readonly<Record<HoldRefusal, string>> = {
  off: 'The plan lends no minutes while a payment confirms. They come when it is paid.',
  open: 'Another payment of this organization has minutes lent already. These come when it is paid.',
  unpaid:
    'Minutes were lent within the last day for a payment that was not paid. These come when it is paid.',
  final: 'This payment is paid or canceled: there is nothing left to wait for.',
};

/** What a person is told of it. */
export const holdSentence = (why: HoldRefusal): string => SENTENCES[why];

/**
 * Ends a loan that is over and was not paid. What is lent is withdrawn by the worker (lotTarget), after
 * what was recorded until then has been settled.
 * @param at meter instant
 * @returns whether it was open, over and unpaid; others may have been faster
 */
export async function endHold(tx: Transaction, payment: string, at: number): Promise<boolean> {
  const row = (await lockPayment(tx, payment))?.row;
  if (row === undefined || row.holdUntil === null || row.holdUntil > at) return false;
  if (row.paidAt !== null || row.holdEndedAt !== null) return false;
  const { id, org, holdMs } = row;
  await tx.update(payments).set({ holdEndedAt: at }).where(eq(payments.id, id));
  const detail = { holdMs, status: row.status };
  const action = 'payment.holdEnded';
  await tx.insert(auditLog).values({ actor: 'worker', action, org, subject: id, detail });
  await applyGrant(tx, org);
  return true;
}
