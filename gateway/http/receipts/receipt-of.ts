/** From the rows of the ledger to a receipt: pure, so that the same rows give the same receipt. */
import { billedMs } from '../../../core/billing/billed-time.ts';
import { RECEIPT_FORMAT, type Receipt, totalsOf } from '../../../core/receipt/receipt.ts';
import type { ReceiptRows } from '../../../drizzle/queries/load-receipt.ts';
import type { SessionTerms } from '../../../drizzle/schema/sessions.ts';
import { instant, instantOrNull, MS_PER_MINUTE } from '../schemas.ts';

/** Of a closed session: the ledger has every millisecond of it. */
export function receiptOf(rows: ReceiptRows): Receipt {
  const minutes = minutesOf(rows);
  const chargedMs = rows.recordedMs - rows.overshootMs;
  const givenBack = rows.givenBack.map(({ adjustment, ms, reason, givenAt }) => ({
    ...{ adjustment, ms, reason, givenAt: instant(givenAt) },
  }));
  const last = rows.termsAtEnd ?? rows.termsAtStart;
  const roundTo = last?.roundTo ?? null;
  const billed = roundTo === null ? null : { ms: billedMs(chargedMs, roundTo), roundTo };
  const parts = { minutes, chargedMs, overshootMs: rows.overshootMs, givenBack, billed };
  const msIn = (period: string) =>
    minutes.reduce((sum, it) => (it.period === period ? sum + it.ms : sum), 0);
  const msOfLot = (purchase: string) =>
    rows.burns.reduce((sum, it) => (it.purchase === purchase ? sum + it.ms : sum), 0);
  return {
    ...{ format: RECEIPT_FORMAT, session: rows.session, org: rows.org, user: rows.user },
    ...{ startedAt: instant(rows.startedAt), endedAt: instant(rows.endedAt!) },
    ...{ reason: rows.reason, stoppedBy: scopeOf(rows.stoppedBy), recordedMs: rows.recordedMs },
    terms: { atStart: termsOf(rows.termsAtStart), atEnd: termsOf(rows.termsAtEnd) },
    periods: rows.periods.map((it) => {
      const startsAt = instant(it.startsAt);
      return { startsAt, endsAt: instant(it.endsAt), ms: msIn(startsAt) };
    }),
    lots: rows.lots.map(({ purchase, source, package: of, purchasedAt, expiresAt, lentMs }) => ({
      ...{ purchase, source, package: of, ms: msOfLot(purchase) },
      ...{ purchasedAt: instant(purchasedAt), expiresAt: instantOrNull(expiresAt) },
      ...(lentMs !== null && { lentMs }),
    })),
    ...parts,
    ...totalsOf(parts),
  };
}

function minutesOf({ minutes, burns, startedAt }: ReceiptRows): Receipt['minutes'] {
  return minutes.map(({ minute, period, ...ms }) => ({
    index: minute,
    period: instant(period),
    startsAt: instant(Math.max(period, startedAt + minute * MS_PER_MINUTE)),
    ...{ ms: ms.ms, planMs: ms.planMs, extraMs: ms.extraMs, overageMs: ms.overageMs },
    ...{ billableMs: ms.billableMs, debtMs: ms.debtMs },
    shadowMs: ms.overageMs - ms.billableMs - ms.debtMs,
    lots: burns
      .filter((it) => it.minute === minute && it.period === period)
      .map(({ purchase, ms }) => ({ purchase, ms })),
  }));
}

/** Field by field: what is noted later of a plan must not change receipts of before. */
function termsOf(it: SessionTerms | null): Receipt['terms']['atStart'] {
  if (it === null) return null;
  return {
    ...{ plan: it.plan, timeZone: it.timeZone, anchorDay: it.anchorDay, planMs: it.planMs },
    ...{ organizationMs: it.organizationMs, memberMs: it.memberMs, maxSessionMs: it.maxSessionMs },
    ...{ atLimit: it.atLimit, overageCapMs: it.overageCapMs, roundTo: it.roundTo },
    ...{ enforcement: it.enforcement, outageTime: it.outageTime },
  };
}

function scopeOf(stoppedBy: string | null): Receipt['stoppedBy'] {
  if (stoppedBy === null) return null;
  if (stoppedBy.startsWith('o|')) return 'organization';
  if (stoppedBy.startsWith('m|')) return 'member';
  return stoppedBy.startsWith('s|') ? 'sessionLength' : 'operator';
}
