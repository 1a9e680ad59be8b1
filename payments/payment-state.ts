/** A payment as it stands, with all its refunds and disputes. */
import { eq, inArray } from 'drizzle-orm';
import type { Queryable, Transaction } from '../drizzle/client.ts';
import { paymentDisputes, paymentRefunds, payments } from '../drizzle/schema/payments.ts';
import type { PaymentFacts } from './merge-fact.ts';

export type PaymentRow = typeof payments.$inferSelect;

export interface KnownPayment {
  row: PaymentRow;
  state: PaymentFacts;
}

/** Locked until the transaction ends: facts of one payment are merged one after another. */
export async function lockPayment(tx: Transaction, id: string): Promise<KnownPayment | null> {
  const [row] = await tx.select().from(payments).where(eq(payments.id, id)).for('no key update');
  if (row === undefined) return null;
  return { row, state: (await statesOf(tx, [row])).get(id)! };
}

/** By payment. */
export async function statesOf(
  db: Queryable,
  rows: readonly PaymentRow[],
): Promise<Map<string, PaymentFacts>> {
  const ids = rows.map(({ id }) => id);
  if (ids.length === 0) return new Map();
  const refunds = await db
    .select()
    .from(paymentRefunds)
    .where(inArray(paymentRefunds.payment, ids));
  const disputes = await db
    .select()
    .from(paymentDisputes)
    .where(inArray(paymentDisputes.payment, ids));
  return new Map(
    rows.map((row) => [
      row.id,
      {
        status: row.status,
        statusAt: row.statusAt,
        grantedMs: row.grantedMs,
        amountCents: row.amountCents,
        chargeRefundedCents: row.chargeRefundedCents,
        holdMs: row.holdMs,
        holdEnded: row.holdEndedAt !== null,
        refunds: refunds.filter(({ payment }) => payment === row.id),
        disputes: disputes.filter(({ payment }) => payment === row.id),
      },
    ]),
  );
}
