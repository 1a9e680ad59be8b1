/** To what a plan rounds in reports and invoices. Metering is to the millisecond, always. */
export type RoundTo = 'second' | 'minute';

const MS_OF: Record<RoundTo, number> = { second: 1_000, minute: 60_000 };

/**
 * The one function of rounding: a unit that was begun is billed whole. It is applied to the figure
 * that is shown, once; sums of rounded figures are never taken.
 * @param ms a duration, 0 or more
 */
export function billedMs(ms: number, roundTo: RoundTo): number {
  const unit = MS_OF[roundTo];
  return Math.ceil(ms / unit) * unit;
}
