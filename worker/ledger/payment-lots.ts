/**
 * Lots that were bought, beside what their payments say of them. Others (gifts, imports) have no
 * payment here, so nothing says what they should be, and nobody who reads this changes them.
 */
import { type LotTarget, lotTarget, type PaymentState } from '../../payments/lot-target.ts';

export interface PaymentLot extends PaymentState {
  org: string;
  /** of the payment, too */
  lot: string;
  usedMs: number;
  reversedMs: number;
  /** of that: by adjustments */
  takenMs: number;
  debtMs: number;
  isFrozen: boolean;
  isHeld: boolean;
  isExpired: boolean;
  /** meter instant */
  paidAt: number | null;
  expiresAfterDays: number | null;
}

/**
 * To be ended with `= any(<organizations>)`. A lot that is simply paid is left out: of those there are
 * many, and they are as they should be.
 */
export const PAYMENT_LOTS = `
  with lots as (
    select l.*, p.status, p.amount_cents as cents, p.charge_refunded_cents, p.hold_ms, p.paid_at,
      p.hold_ended_at, p.expires_after_days,
      coalesce((select json_agg(json_build_object('id', r.id, 'cents', r.cents,
        'status', r.status)) from payment_refunds r where r.payment = p.id), '[]') as refunds,
      coalesce((select json_agg(json_build_object('id', d.id, 'cents', d.cents,
        'status', d.status)) from payment_disputes d where d.payment = p.id), '[]') as disputes
    from extra_minutes_purchases l join payments p on p.id = l.id
    where p.paid_at is null or l.held_at is not null or l.frozen_at is not null
      or l.reversed_ms > l.taken_ms or p.charge_refunded_cents > 0
      or exists (select from payment_refunds r where r.payment = p.id)
      or exists (select from payment_disputes d where d.payment = p.id))
  select org, id as lot, granted_ms as "grantedMs", used_ms as "usedMs",
    reversed_ms as "reversedMs", taken_ms as "takenMs", debt_ms as "debtMs",
    frozen_at is not null as "isFrozen", held_at is not null as "isHeld",
    expired_at is not null as "isExpired", status, cents as "amountCents",
    charge_refunded_cents as "chargeRefundedCents", hold_ms as "holdMs",
    hold_ended_at is not null as "holdEnded", epoch_ms(paid_at) as "paidAt",
    expires_after_days as "expiresAfterDays", refunds, disputes
  from lots where org`;

export interface LotChange {
  lot: PaymentLot;
  to: LotTarget;
  /** less of it may be used than before: what is open is settled first */
  isLowering: boolean;
}

/** null: the lot is as its payment says. */
export function changeOf(lot: PaymentLot): LotChange | null {
  const target = lotTarget(lot);
  // Nobody paid and nothing was lent: whoever made the lot has to say why.
  if (target === null) return null;
  const { isFrozen, isHeld } = target;
  const reversedMs = Math.min(lot.grantedMs, lot.takenMs + target.reversedMs);
  const isSame =
    reversedMs === lot.reversedMs && isFrozen === lot.isFrozen && isHeld === lot.isHeld;
  if (isSame) return null;
  const to = { reversedMs, isFrozen, isHeld };
  return { lot, to, isLowering: usable(lot, to) < usable(lot, lot) };
}

function usable(
  { grantedMs, isExpired }: PaymentLot,
  { reversedMs, isFrozen }: Pick<LotTarget, 'reversedMs' | 'isFrozen'>,
): number {
  return isExpired || isFrozen ? 0 : grantedMs - reversedMs;
}
