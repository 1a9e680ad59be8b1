import { readAmount } from './amount.ts';
import {
  derivedId,
  ID,
  idProblem,
  type Reading,
  type ReadOptions,
  type Refusal,
  refuse,
} from './reading.ts';
import type { SourceRow } from './source.ts';

const PAID = new Set([
  ...['paid', 'complete', 'completed', 'succeeded', 'success', 'active', 'confirmed', 'captured'],
  ...['used', 'exhausted', 'depleted', 'consumed', 'expired', 'available', 'partially_used'],
]);

export interface LotRow {
  source: SourceRow;
  /** the source's, or made of what it is */
  id: string;
  org: string;
  user: string;
  grantedMs: number;
  /** what was used of it there; null: the source does not say */
  elsewhereMs: number | null;
  purchasedAt: number;
  expiresAt: number | null;
  amountCents: number | null;
  currency: string | null;
}

/** Ours, of the source's: the same in every run, and no other organization's. */
export const lotId = (org: string, id: string): string => `import:${org}:${id}`;

function amountOf(reading: Reading<'lots'>, row: SourceRow): number | null {
  const cents = reading.cell(row, 'cents');
  const amount = reading.cell(row, 'amount').replace(/^[$€£]\s*/, '');
  const value = cents === '' ? Math.round(Number(amount) * 100) : Number(cents);
  if ((cents === '' && amount === '') || !Number.isSafeInteger(value) || value < 0) return null;
  return value > 2_147_483_647 ? null : value;
}

/** @param occurrence how many rows before it were the same to the last cell, where it has no id */
export function readLot(
  reading: Reading<'lots'>,
  row: SourceRow,
  { org: fallback }: ReadOptions,
  occurrence: (key: string) => number,
): LotRow | Refusal {
  const org = reading.cell(row, 'org') || (fallback ?? '');
  const user = reading.cell(row, 'user');
  if (org !== '' && !ID.test(org)) return idProblem('organization', org);
  const status = reading.cell(row, 'status').toLowerCase();
  if (status !== '' && !PAID.has(status)) return refuse('notPaid', `its status is "${status}"`);
  const time = reading.instant(reading.cell(row, 'at'));
  if ('problem' in time) return refuse('noTime', time.problem);
  const expiry = reading.cell(row, 'expires');
  const expires = expiry === '' ? null : reading.instant(expiry);
  if (expires !== null && 'problem' in expires) return refuse('noTime', expires.problem);
  const granted = readAmount(reading.cell(row, 'minutes'), 'minutes');
  if ('problem' in granted) {
    return refuse(granted.isNegative ? 'negative' : 'badNumber', granted.problem);
  }
  if (granted.ms === 0) return refuse('empty', '');
  let elsewhereMs: number | null = null;
  for (const field of ['remaining', 'used'] as const) {
    const text = reading.cell(row, field);
    if (text === '' || elsewhereMs !== null) continue;
    const said = readAmount(text, 'minutes');
    if ('problem' in said) {
      return refuse(said.isNegative ? 'negative' : 'badNumber', said.problem);
    }
    elsewhereMs = field === 'used' ? said.ms : granted.ms - said.ms;
    if (elsewhereMs < 0 || elsewhereMs > granted.ms) {
      return refuse('badNumber', `${text} ${field}, of ${reading.cell(row, 'minutes')} minutes`);
    }
  }
  const currency = reading.cell(row, 'currency').toLowerCase();
  const said = reading.cell(row, 'id');
  const made = () => {
    const key = [org, user, time.at, granted.ms, expires?.at ?? ''].join('|');
    return derivedId('lot', key, occurrence(key));
  };
  return {
    ...{ source: row, id: said === '' ? made() : said, org, user },
    ...{ grantedMs: granted.ms, elsewhereMs, purchasedAt: time.at },
    expiresAt: expires?.at ?? null,
    amountCents: amountOf(reading, row),
    currency: /^[a-z]{3}$/.test(currency) ? currency : null,
  };
}
