import { Temporal } from 'temporal-polyfill';

/** How an organization's billing months are laid. */
export interface Anchor {
  /** 1–31; kept through short months: 31 means the last day of February, and the 31st of March. */
  anchorDay: number;
  /** IANA name, like `Europe/Berlin`. */
  timeZone: string;
}

/** From the first instant of a local day to the first instant of another; the end is not in it. */
export interface Period {
  startsAt: number;
  endsAt: number;
}

export const FIRST_ANCHOR_DAY = 1;
export const LAST_ANCHOR_DAY = 31;

/** The first instant of the month's anchor day. Where midnight does not exist, the day begins later. */
function boundary(month: Temporal.PlainYearMonth, { anchorDay, timeZone }: Anchor): number {
  const day = Math.min(anchorDay, month.daysInMonth);
  return month.toPlainDate({ day }).toZonedDateTime({ timeZone }).epochMilliseconds;
}

/**
 * The period in which an instant lies. Periods touch each other without a gap, so that a charge can
 * be split at every boundary (rule 19 in core/meter/README.md). They are laid by instants alone: where
 * clocks go back over midnight, a local day is left and entered again, and what its second visit says
 * of the date would put an instant into a period that has ended.
 * @throws RangeError for a time zone or an anchor day that does not exist.
 */
export function periodAt(at: number, anchor: Anchor): Period {
  const { anchorDay, timeZone } = anchor;
  if (!Number.isInteger(anchorDay) || anchorDay < FIRST_ANCHOR_DAY || anchorDay > LAST_ANCHOR_DAY) {
    throw new RangeError(`An anchor day is a whole number from 1 to 31, and this is ${anchorDay}.`);
  }
  let month = Temporal.Instant.fromEpochMilliseconds(at)
    .toZonedDateTimeISO(timeZone)
    .toPlainDate()
    .toPlainYearMonth();
  let startsAt = boundary(month, anchor);
  while (startsAt > at) {
    month = month.subtract({ months: 1 });
    startsAt = boundary(month, anchor);
  }
  for (;;) {
    month = month.add({ months: 1 });
    const endsAt = boundary(month, anchor);
    if (endsAt > at) return { startsAt, endsAt };
    startsAt = endsAt;
  }
}

/** The period that begins where this one ends. */
export function nextPeriod(period: Period, anchor: Anchor): Period {
  return periodAt(period.endsAt, anchor);
}
