import { billedMs, type RoundTo } from './billed-time.ts';

const MS_PER_MINUTE = 60_000;

/**
 * How many minutes of overage a period has cost so far: the one rule of what is reported. While it
 * runs, those that are full; the rest is carried on. Once it has ended, what is left below a minute
 * is a whole one where the plan rounds to minutes, and nothing where it rounds to seconds.
 * It never falls while `billableMs` rises.
 * @param billableMs of the whole period, by the ledger
 */
export function overageMinutes(billableMs: number, hasEnded: boolean, roundTo: RoundTo): number {
  const ms = hasEnded && roundTo === 'minute' ? billedMs(billableMs, 'minute') : billableMs;
  return Math.floor(ms / MS_PER_MINUTE);
}
