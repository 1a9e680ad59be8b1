/** Receipts for tests, from a few numbers: they add up, since their sums are made of their parts. */
import { billedMs } from '../billing/billed-time.ts';
import { RECEIPT_FORMAT, type Receipt, totalsOf } from './receipt.ts';

const STARTED = Date.UTC(2026, 4, 20, 12);
const iso = (at: number) => new Date(at).toISOString();
const MAY = iso(Date.UTC(2026, 4, 1));

export interface ReceiptSpec {
  /** of each minute: from plan, from a lot, beyond the limit; at most 60,000 together */
  minutes: { planMs: number; extraMs: number; debtMs: number }[];
  overshootMs: number;
  givenBackMs: number;
  reason: string;
}

export function testReceipt({ minutes, overshootMs, givenBackMs, reason }: ReceiptSpec): Receipt {
  const rows = minutes.map(({ planMs, extraMs, debtMs }, index) => ({
    ...{ index, period: MAY, startsAt: iso(STARTED + index * 60_000) },
    ...{ ms: planMs + extraMs + debtMs, planMs, extraMs, overageMs: debtMs },
    ...{ billableMs: 0, debtMs, shadowMs: 0 },
    lots: extraMs === 0 ? [] : [{ purchase: 'lot-1', ms: extraMs }],
  }));
  const chargedMs = rows.reduce((sum, it) => sum + it.ms, 0);
  const extraMs = rows.reduce((sum, it) => sum + it.extraMs, 0);
  const givenBack = Math.min(givenBackMs, chargedMs);
  const parts = {
    ...{ minutes: rows, overshootMs, chargedMs },
    billed: { ms: billedMs(chargedMs, 'minute'), roundTo: 'minute' as const },
    givenBack:
      givenBack === 0
        ? []
        : [{ adjustment: 'gift-1', ms: givenBack, reason: 'Sorry', givenAt: iso(STARTED) }],
  };
  return {
    ...{ format: RECEIPT_FORMAT, session: 'interview-7', org: 'acme', user: 'ann' },
    ...{ startedAt: iso(STARTED), endedAt: iso(STARTED + chargedMs), reason, stoppedBy: null },
    ...{ recordedMs: chargedMs + overshootMs, terms: { atStart: null, atEnd: null } },
    periods:
      rows.length === 0
        ? []
        : [{ startsAt: MAY, endsAt: iso(Date.UTC(2026, 5, 1)), ms: chargedMs }],
    lots:
      extraMs === 0
        ? []
        : [
            {
              ...{ purchase: 'lot-1', source: 'purchase', package: 'minutes-60', ms: extraMs },
              ...{ purchasedAt: MAY, expiresAt: null },
            },
          ],
    ...parts,
    ...totalsOf(parts),
  };
}
