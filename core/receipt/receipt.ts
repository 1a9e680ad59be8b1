/**
 * The shape of a receipt: the account of an ended session, every second by source, lot and rule.
 * Durations are integer milliseconds, instants ISO 8601 in UTC. It is made from rows of the ledger
 * that never change, and from nothing else, so that the same session gives the same bytes for good.
 */
import { z } from 'zod';

export const RECEIPT_FORMAT = 'taximeter.receipt/1';

const ms = z.int().min(0);
const instant = z.iso.datetime({ precision: 3 });
const nullableMs = ms.nullable();

/** By which plan and limits it was recorded; null = unlimited. */
const terms = z.strictObject({
  plan: z.string(),
  timeZone: z.string(),
  anchorDay: z.int(),
  planMs: nullableMs,
  organizationMs: nullableMs,
  memberMs: nullableMs,
  maxSessionMs: nullableMs,
  atLimit: z.enum(['stop', 'overage']),
  overageCapMs: nullableMs,
  roundTo: z.enum(['second', 'minute']),
  enforcement: z.enum(['enforce', 'shadow']),
  outageTime: z.enum(['charge', 'forgive']),
});

const bySource = { planMs: ms, extraMs: ms, overageMs: ms };
/** Of what neither plan nor lots covered: what is billed, what nobody pays, what shadow mode let be. */
const ofOverage = { billableMs: ms, debtMs: ms, shadowMs: ms };

/**
 * Why a part of the time is what it is; docs/receipts.md says each in words. The first six divide the
 * recorded time; `givenBack` and `rounding` are beside it.
 */
export const RECEIPT_RULES = [
  'withinQuota',
  'lotsOldestFirst',
  'overageBilled',
  'beyondLimitUnbilled',
  'shadowUnbilled',
  'overshootNotCharged',
  'givenBack',
  'rounding',
] as const;
export type ReceiptRule = (typeof RECEIPT_RULES)[number];

export const receiptSchema = z.strictObject({
  format: z.literal(RECEIPT_FORMAT),
  session: z.string(),
  org: z.string(),
  user: z.string(),
  startedAt: instant,
  endedAt: instant,
  reason: z.string().nullable(),
  stoppedBy: z.enum(['organization', 'member', 'sessionLength', 'operator']).nullable(),
  /** charged + overshoot */
  recordedMs: ms,
  chargedMs: ms,
  overshootMs: ms,
  bySource: z.strictObject(bySource),
  overage: z.strictObject(ofOverage),
  /** what was charged, rounded once; null where the plan of its time was not noted */
  billed: z.strictObject({ ms, roundTo: z.enum(['second', 'minute']) }).nullable(),
  terms: z.strictObject({ atStart: terms.nullable(), atEnd: terms.nullable() }),
  periods: z.array(z.strictObject({ startsAt: instant, endsAt: instant, ms })),
  /** in the order in which lots burn */
  lots: z.array(
    z.strictObject({
      purchase: z.string(),
      source: z.string(),
      package: z.string().nullable(),
      purchasedAt: instant,
      expiresAt: instant.nullable(),
      /** so much of it was lent while its payment was being confirmed; left out: nothing */
      lentMs: ms.optional(),
      ms,
    }),
  ),
  minutes: z.array(
    z.strictObject({
      index: ms,
      period: instant,
      startsAt: instant,
      ms,
      ...bySource,
      ...ofOverage,
      lots: z.array(z.strictObject({ purchase: z.string(), ms })),
    }),
  ),
  /** goodwill: entries of their own, which change no minute */
  givenBack: z.array(
    z.strictObject({ adjustment: z.string(), ms, reason: z.string(), givenAt: instant }),
  ),
  rules: z.array(z.strictObject({ rule: z.enum(RECEIPT_RULES), ms })),
});
export type Receipt = z.infer<typeof receiptSchema>;

/** The signature is over the canonical form of `receipt` alone, so that keys may change. */
export const signedReceiptSchema = z.strictObject({
  receipt: receiptSchema,
  signature: z.strictObject({
    algorithm: z.literal('Ed25519'),
    kid: z.string(),
    value: z.string(),
  }),
});
export type SignedReceipt = z.infer<typeof signedReceiptSchema>;

export type Totals = Pick<Receipt, 'bySource' | 'overage' | 'rules'>;

/** The sums of a receipt follow from its parts: whoever makes one and whoever checks one ask here. */
export function totalsOf(
  receipt: Pick<Receipt, 'minutes' | 'overshootMs' | 'givenBack' | 'billed' | 'chargedMs'>,
): Totals {
  const { minutes, overshootMs, givenBack, billed, chargedMs } = receipt;
  const sum = (of: (it: Receipt['minutes'][number]) => number) =>
    minutes.reduce((total, it) => total + of(it), 0);
  const planMs = sum((it) => it.planMs);
  const extraMs = sum((it) => it.extraMs);
  const overageMs = sum((it) => it.overageMs);
  const billableMs = sum((it) => it.billableMs);
  const debtMs = sum((it) => it.debtMs);
  const shadowMs = sum((it) => it.shadowMs);
  const byRule: Record<ReceiptRule, number> = {
    withinQuota: planMs,
    lotsOldestFirst: extraMs,
    overageBilled: billableMs,
    beyondLimitUnbilled: debtMs,
    shadowUnbilled: shadowMs,
    overshootNotCharged: overshootMs,
    givenBack: givenBack.reduce((total, it) => total + it.ms, 0),
    rounding: billed === null ? 0 : Math.max(0, billed.ms - chargedMs),
  };
  return {
    bySource: { planMs, extraMs, overageMs },
    overage: { billableMs, debtMs, shadowMs },
    rules: RECEIPT_RULES.map((rule) => ({ rule, ms: byRule[rule] })).filter((it) => it.ms > 0),
  };
}
