/** Whether a receipt is what was signed and adds up, in words. Needs nothing but the text and the keys. */
import { billedMs } from '../billing/billed-time.ts';
import { canonicalJson } from './canonical.ts';
import { refusalOfSignature } from './keys.ts';
import { type Receipt, type SignedReceipt, signedReceiptSchema, totalsOf } from './receipt.ts';

const MS_A_MINUTE = 60_000;

export interface Finding {
  code: string;
  holds: boolean;
  /** a sentence for a person */
  says: string;
}

export interface Verdict {
  holds: boolean;
  findings: Finding[];
  /** null: the text is no receipt */
  receipt: Receipt | null;
}

/**
 * @param bytes the file, as it was given out
 * @param jwks the keys to believe; null: none are at hand, and the signature can not be checked
 */
export function verifyReceipt(bytes: Uint8Array, jwks: unknown): Verdict {
  const read = readSigned(bytes);
  if ('code' in read) return { holds: false, findings: [read], receipt: null };
  const findings = [signatureOf(read, jwks), ...sumsOf(read.receipt)];
  return { holds: findings.every((it) => it.holds), findings, receipt: read.receipt };
}

/** Canonical to the last byte: else a change that a reader of JSON passes over would go unseen. */
function readSigned(bytes: Uint8Array): SignedReceipt | Finding {
  const broken = (says: string): Finding => ({ code: 'text', holds: false, says });
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    return broken(`This is no JSON in UTF-8 (${(error as Error).message}).`);
  }
  const parsed = signedReceiptSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return broken(
      `This is no receipt of a form that is known here: ${issue!.path.join('.') || 'it'}: ${issue!.message}.`,
    );
  }
  if (isCanonical(value, text)) return parsed.data;
  return broken(
    'The text is not as it was given out: keep the very bytes of the answer (RFC 8785), without ' +
      'formatting them anew.',
  );
}

/** One line end after it is forgiven: editors put it there. */
function isCanonical(value: unknown, text: string): boolean {
  try {
    const canonical = canonicalJson(value);
    return text === canonical || text === `${canonical}\n`;
  } catch {
    return false;
  }
}

function signatureOf(signed: SignedReceipt, jwks: unknown): Finding {
  const code = 'signature';
  if (jwks === null) {
    const says = 'The signature was not checked, for there are no keys: give them with --keys.';
    return { code, holds: false, says };
  }
  const refusal = refusalOfSignature(signed, jwks);
  if (refusal !== null)
    return { code, holds: false, says: `The signature does not hold: ${refusal}.` };
  return { code, holds: true, says: `The signature holds, by key ${signed.signature.kid}.` };
}

const sum = (values: readonly number[]) => values.reduce((total, it) => total + it, 0);
const same = (a: unknown, b: unknown) => canonicalJson(a) === canonicalJson(b);

function sumsOf(receipt: Receipt): Finding[] {
  const { minutes, periods, lots, recordedMs, chargedMs, overshootMs, billed, givenBack } = receipt;
  const found: Finding[] = [];
  const look = (code: string, holds: boolean, words: string, otherwise: string) => {
    found.push({ code, holds, says: holds ? words : otherwise });
  };
  const inMinutes = sum(minutes.map((it) => it.ms));
  look(
    ...(['recorded', recordedMs === chargedMs + overshootMs] as const),
    `${recordedMs} ms were recorded: ${chargedMs} charged, ${overshootMs} not.`,
    `${recordedMs} ms recorded are not ${chargedMs} charged and ${overshootMs} not charged.`,
  );
  look(
    ...(['minutes', inMinutes === chargedMs] as const),
    `The minutes come to what was charged, ${chargedMs} ms.`,
    `The minutes come to ${inMinutes} ms, and ${chargedMs} were charged.`,
  );
  const odd = minutes.find((it) => !isSplitWell(it));
  look(
    ...(['split', odd === undefined] as const),
    'Every minute is what its sources and lots come to.',
    `Minute ${odd?.index} is not what its sources and lots come to.`,
  );
  const long = longMinute(minutes);
  look(
    ...(['sixty', long === null] as const),
    'No minute has more than 60 s, and none is there twice.',
    `Minute ${long} has more than 60 s, or is there twice.`,
  );
  const totals = totalsOf(receipt);
  const { bySource, overage, rules } = receipt;
  look(
    ...(['totals', same(totals, { bySource, overage, rules })] as const),
    'The sums by source and by rule are those of the minutes.',
    'The sums by source or by rule are not those of the minutes.',
  );
  const burnt = msBy(
    minutes.flatMap((it) => it.lots.map((lot) => [lot.purchase, lot.ms] as const)),
  );
  look(
    ...(['lots', sameSums(burnt, msBy(lots.map((it) => [it.purchase, it.ms])))] as const),
    `The lots come to what was extra, ${bySource.extraMs} ms.${lentWords(lots)}`,
    'The lots are not those that the minutes burnt.',
  );
  const used = msBy(minutes.map((it) => [it.period, it.ms]));
  look(
    ...(['periods', sameSums(used, msBy(periods.map((it) => [it.startsAt, it.ms])))] as const),
    'The billing periods have what their minutes come to.',
    'The billing periods do not have what their minutes come to.',
  );
  const billedWell = billed === null || billed.ms === billedMs(chargedMs, billed.roundTo);
  look(
    ...(['billed', billedWell] as const),
    billed === null
      ? 'How it was rounded was not noted then.'
      : `${chargedMs} ms, rounded up to the ${billed.roundTo}, are ${billed.ms} ms.`,
    `${chargedMs} ms, rounded up to the ${billed?.roundTo}, are not ${billed?.ms} ms.`,
  );
  const given = sum(givenBack.map((it) => it.ms));
  look(
    ...(['givenBack', given <= chargedMs] as const),
    given === 0 ? 'Nothing of it was given back.' : `${given} ms of it were given back.`,
    `${given} ms were given back, more than was charged.`,
  );
  return found;
}

/** Whether they were paid in the end is their purchases' to say: a receipt never changes. */
function lentWords(lots: Receipt['lots']): string {
  const lent = lots.filter((it) => it.lentMs !== undefined);
  if (lent.length === 0) return '';
  const each = lent.map((it) => `${it.lentMs} ms of ${it.purchase}`).join(', ');
  return ` Lent while their payment was being confirmed: ${each}.`;
}

function isSplitWell(it: Receipt['minutes'][number]): boolean {
  return (
    it.ms === it.planMs + it.extraMs + it.overageMs &&
    it.overageMs === it.billableMs + it.debtMs + it.shadowMs &&
    it.extraMs === sum(it.lots.map((lot) => lot.ms))
  );
}

/** A minute across a reset has a record in both periods, and 60 s in all. */
function longMinute(minutes: Receipt['minutes']): number | null {
  const names = new Set<string>();
  const byIndex = new Map<number, number>();
  for (const { index, period, ms } of minutes) {
    const name = `${index} ${period}`;
    const total = (byIndex.get(index) ?? 0) + ms;
    if (names.has(name) || total > MS_A_MINUTE) return index;
    names.add(name);
    byIndex.set(index, total);
  }
  return null;
}

function msBy(parts: readonly (readonly [string, number])[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [name, ms] of parts) sums.set(name, (sums.get(name) ?? 0) + ms);
  return sums;
}

function sameSums(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([name, ms]) => b.get(name) === ms);
}
