/** A receipt and the verdict on it, as a person reads them. */
import type { Receipt, ReceiptRule } from '../../core/receipt/receipt.ts';
import type { Verdict } from '../../core/receipt/verify.ts';

/** docs/receipts.md has the same in full. */
const RULES: Record<ReceiptRule, string> = {
  withinQuota: 'within the quota of the plan',
  lotsOldestFirst: 'from extra minutes: the lot that expires first, then the oldest',
  overageBilled: 'beyond both, billed as overage by the plan',
  beyondLimitUnbilled: 'beyond the limit: shown, never billed',
  shadowUnbilled: 'beyond the limit in shadow mode: shown, never billed',
  overshootNotCharged: 'recorded past a stop, or forgiven after an outage: never charged',
  givenBack: 'given back as goodwill, in a lot of its own',
  rounding: 'added by rounding, once, for reports and invoices',
};

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const seconds = ((ms % 60_000) / 1_000).toFixed(3);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${seconds} s`;
}

function receiptLines(it: Receipt): string[] {
  const why = it.reason === null ? '' : ` (${it.reason})`;
  const lots = it.lots.map(
    ({ purchase, source, purchasedAt, ms }) =>
      `    lot ${purchase} (${source} of ${purchasedAt}): ${duration(ms)}`,
  );
  return [
    `Session ${it.session} of ${it.user}, organization ${it.org}`,
    `  ${it.startedAt} to ${it.endedAt}${why}`,
    `  ${duration(it.recordedMs)} recorded, ${duration(it.chargedMs)} charged`,
    ...it.rules.flatMap(({ rule, ms }) => [
      `  ${duration(ms)} ${RULES[rule]}`,
      ...(rule === 'lotsOldestFirst' ? lots : []),
    ]),
  ];
}

export function verdictText({ receipt, findings, holds }: Verdict): string {
  return [
    ...(receipt === null ? [] : [...receiptLines(receipt), '']),
    ...findings.map((it) => `${it.holds ? 'holds' : 'FAILS'}  ${it.says}`),
    '',
    holds ? 'This receipt holds.' : 'This receipt does NOT hold.',
  ].join('\n');
}
