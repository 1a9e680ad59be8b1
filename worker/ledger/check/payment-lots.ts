/** Lots beside the payments that they were bought by. */
import { changeOf, type LotChange, PAYMENT_LOTS, type PaymentLot } from '../payment-lots.ts';
import { exactText } from './duration-text.ts';
import { type Finding, finding } from './finding.ts';
import type { Reading } from './snapshot.ts';

/** What a payment changes leaves word in the same transaction, and is carried out within a second. */
const PATIENCE_S = 20;

export interface WrongPaymentLot {
  org: string;
  payment: string;
  /** null: it was paid, and there is no lot */
  change: LotChange | null;
}

export async function wrongPaymentLots(tx: Reading, orgs: string[]): Promise<WrongPaymentLot[]> {
  const missing = await tx<{ org: string; payment: string }[]>`
    select p.org, p.id as payment from payments p
    where p.org = any(${orgs}) and p.paid_at is not null
      and not exists (select from extra_minutes_purchases l where l.id = p.id) order by 1, 2`;
  const told = await tx<{ org: string }[]>`
    select distinct org from meter_outbox where org = any(${orgs}) and user_id is null
      and created_at > now() - make_interval(secs => ${PATIENCE_S})`;
  const soon = new Set(told.map(({ org }) => org));
  const lots = await tx<PaymentLot[]>`${tx.unsafe(PAYMENT_LOTS)} = any(${orgs}) order by org, lot`;
  const changes = lots.flatMap((lot) => (soon.has(lot.org) ? [] : (changeOf(lot) ?? [])));
  return [
    ...missing.map((it) => ({ ...it, change: null })),
    ...changes.map((change) => ({ org: change.lot.org, payment: change.lot.lot, change })),
  ];
}

export function judgePaymentLots(rows: readonly WrongPaymentLot[]): Finding[] {
  return rows.map(({ org, payment, change }) => {
    const where = { org, subject: payment };
    if (change === null) {
      const says = `Payment ${payment} of ${org} is paid, and there is no lot of it.`;
      return finding('paymentWithoutLot', { ...where, says });
    }
    const { lot, to } = change;
    const { reversedMs, isFrozen, isHeld } = lot;
    const says = `Lot ${payment} of ${org} is ${wordsOf({ reversedMs, isFrozen, isHeld })}; by its payment it should be ${wordsOf(to)}.`;
    return finding('paymentLot', {
      ...where,
      says,
      figures: { reversedMs, shouldBeMs: to.reversedMs, usedMs: lot.usedMs, debtMs: lot.debtMs },
    });
  });
}

function wordsOf({ reversedMs, isFrozen, isHeld }: LotChange['to']): string {
  const state = [...(isHeld ? ['lent'] : []), ...(isFrozen ? ['frozen'] : [])];
  return [...state, `reversed by ${exactText(reversedMs)}`].join(', ');
}
