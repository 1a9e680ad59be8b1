/** A loan that somebody asks for: the page says "I am submitting this payment". */
import type { Transaction } from '../drizzle/client.ts';
import { applyGrant } from '../drizzle/queries/apply-limits.ts';
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
