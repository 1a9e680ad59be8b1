/**
 * Minutes lent while a payment confirms, so that nobody is stopped in the seconds that a bank takes.
 * A loan is small, has an end, and leaves an entry in the audit log. What was used of one that was
 * never paid is the lot's debt.
 */
import { and, eq, gt, isNotNull, isNull, ne, or } from 'drizzle-orm';
import type { Queryable, Transaction } from '../drizzle/client.ts';
import { auditLog } from '../drizzle/schema/operations.ts';
import { organizations } from '../drizzle/schema/organizations.ts';
import { payments } from '../drizzle/schema/payments.ts';
import { plans } from '../drizzle/schema/plans.ts';
import type { PaymentRow } from './payment-state.ts';

/** Meter time from the beginning of a loan to its end, paid or not. */
export const HOLD_TIME_MS = 10 * 60_000;
/** Meter time after a loan that was not paid in which the organization gets no other. */
export const UNPAID_HOLD_REST_MS = 24 * 3_600_000;

/**
 * - `off`: the plan lends nothing
 * - `open`: another payment of the organization has a loan
 * - `unpaid`: a loan was not paid within the last `UNPAID_HOLD_REST_MS`, or this payment had one
 * - `final`: the payment is paid or canceled
 */
export type HoldRefusal = 'off' | 'open' | 'unpaid' | 'final';

export type Loan =
  | { granted: true; ms: number; until: number; isNew: boolean }
  | { granted: false; why: HoldRefusal };

/**
 * Notes a loan with a payment, if there may be one; its lot is the caller's to make. Asked again, the
 * open one stands.
 * @param row locked by the caller, who locks no organization before it
 * @param at meter instant
 * @param by for the audit log: who asked
 */
export async function lend(
  tx: Transaction,
  row: PaymentRow,
  at: number,
  by: string,
): Promise<Loan> {
  const { id, org, holdMs, holdUntil } = row;
  if (row.paidAt !== null || row.status === 'canceled') return refused('final');
  if (row.holdEndedAt !== null) return refused('unpaid');
  if (holdUntil !== null) return { granted: true, ms: holdMs, until: holdUntil, isNew: false };
  // Two payments of one organization ask one after the other.
  const [plan] = await planOf(tx, org).for('no key update', { of: organizations });
  const ms = Math.min(plan!.mostMs, row.grantedMs);
  if (ms === 0) return refused('off');
  const why = await refusalOf(tx, row, at);
  if (why !== null) return refused(why);
  const until = at + HOLD_TIME_MS;
  await tx.update(payments).set({ holdMs: ms, holdUntil: until }).where(eq(payments.id, id));
  const detail = { holdMs: ms, until };
  await tx.insert(auditLog).values({ actor: by, action: 'payment.hold', org, subject: id, detail });
  return { granted: true, ms, until, isNew: true };
}

/** Meter time that the plan lends while the payment confirms, if nothing else is against it; 0: none. */
export async function lentByPlan(db: Queryable, row: PaymentRow): Promise<number> {
  const [plan] = await planOf(db, row.org);
  return Math.min(plan!.mostMs, row.grantedMs);
}

const planOf = (db: Queryable, org: string) =>
  db
    .select({ mostMs: plans.paymentHoldMs })
    .from(organizations)
    .innerJoin(plans, eq(plans.id, organizations.plan))
    .where(eq(organizations.id, org));

const refused = (why: HoldRefusal): Loan => ({ granted: false, why });

/** What other payments of the organization say against it. */
async function refusalOf(
  tx: Transaction,
  { id, org }: PaymentRow,
  at: number,
): Promise<HoldRefusal | null> {
  const isOpen = isNull(payments.holdEndedAt);
  const isRecent = gt(payments.holdEndedAt, at - UNPAID_HOLD_REST_MS);
  const [other] = await tx
    .select({ endedAt: payments.holdEndedAt })
    .from(payments)
    .where(
      and(
        ...[eq(payments.org, org), ne(payments.id, id)],
        ...[isNotNull(payments.holdUntil), isNull(payments.paidAt), or(isOpen, isRecent)],
      ),
    )
    .limit(1);
  if (other === undefined) return null;
  return other.endedAt === null ? 'open' : 'unpaid';
}
