/**
 * Makes lots what their payments say: rule 5 of the ledger. A refund, a lost dispute and the end of a
 * loan reverse up to a cumulative target; an open dispute freezes; a won one, or a refund that failed,
 * gives back; a payment that arrives makes a lent lot a bought one.
 */
import { sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '../../drizzle/client.ts';
import { applyGrant } from '../../drizzle/queries/apply-limits.ts';
import { expiryOf } from '../../payments/take-fact.ts';
import { writeAudit } from './audit.ts';
import { changeOf, type LotChange, PAYMENT_LOTS, type PaymentLot } from './payment-lots.ts';

/** What of an organization's lots differs from their payments. */
export async function lotChanges(db: Queryable, org: string): Promise<LotChange[]> {
  const lots = await db.execute<PaymentLot & Record<string, unknown>>(
    sql`${sql.raw(PAYMENT_LOTS)} = any(${sql.param([org])}::text[]) order by lot`,
  );
  return lots.flatMap((lot) => changeOf(lot) ?? []);
}

/**
 * Call it under the shard's lock. What was used stays used: as far as it is reversed it becomes the
 * lot's debt, which Postgres derives. All is read anew here, and what lowers is left as it is unless
 * what was open before has been settled.
 * @param at meter instant
 * @returns whether nothing was left
 */
export async function reverseLots(
  tx: Transaction,
  org: string,
  { at, mayLower }: { at: number; mayLower: boolean },
): Promise<boolean> {
  await tx.execute(sql`select from organizations where id = ${org} for no key update`);
  const all = await lotChanges(tx, org);
  const changes = all.filter(({ isLowering }) => mayLower || !isLowering);
  for (const change of changes) await write(tx, change, at);
  if (changes.length > 0) await applyGrant(tx, org);
  return changes.length === all.length;
}

async function write(tx: Transaction, { lot, to }: LotChange, at: number): Promise<void> {
  const isConfirmed = lot.isHeld && !to.isHeld;
  const bought = sql`, held_at = null, purchased_at = from_epoch_ms(${lot.paidAt}),
    expires_at = from_epoch_ms(${expiryOf(lot)})`;
  const [written] = await tx.execute<{ debtMs: number }>(sql`
    update extra_minutes_purchases set reversed_ms = ${to.reversedMs},
      frozen_at = case when ${to.isFrozen} then coalesce(frozen_at, from_epoch_ms(${at})) end
      ${isConfirmed ? bought : sql``}
    where id = ${lot.lot} returning debt_ms as "debtMs"`);
  const { debtMs } = written!;
  const before = { reversedMs: lot.reversedMs, debtMs: lot.debtMs };
  const detail = { reversedMs: to.reversedMs, debtMs, before };
  for (const action of actionsOf(lot, to)) {
    await writeAudit(tx, { actor: 'worker', action, org: lot.org, subject: lot.lot, detail });
  }
}

/** Names of the entries in the audit log. */
function actionsOf(lot: PaymentLot, to: LotChange['to']): string[] {
  const isConfirmed = lot.isHeld && !to.isHeld;
  const isMore = to.reversedMs > lot.reversedMs;
  const isLess = to.reversedMs < lot.reversedMs;
  const isBack = !isMore && !isConfirmed && (isLess || (lot.isFrozen && !to.isFrozen));
  return [
    ...(isConfirmed ? ['payment.confirmed'] : []),
    ...(isMore ? ['payment.reversed'] : []),
    ...(to.isFrozen && !lot.isFrozen ? ['payment.frozen'] : []),
    ...(isBack ? ['payment.givenBack'] : []),
  ];
}
