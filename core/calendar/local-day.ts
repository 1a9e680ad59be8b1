import { Temporal } from 'temporal-polyfill';

/** The calendar day of an instant where the organization lives: `2026-03-29`. */
export function localDay(at: number, timeZone: string): string {
  return Temporal.Instant.fromEpochMilliseconds(at)
    .toZonedDateTimeISO(timeZone)
    .toPlainDate()
    .toString();
}

/** First instant of that local day and of the day after: 23 to 25 hours, where clocks change. */
export function localDayBounds(
  day: string,
  timeZone: string,
): { startsAt: number; endsAt: number } {
  const date = Temporal.PlainDate.from(day);
  return {
    startsAt: date.toZonedDateTime({ timeZone }).epochMilliseconds,
    endsAt: date.add({ days: 1 }).toZonedDateTime({ timeZone }).epochMilliseconds,
  };
}

/** Month of an instant in UTC, as its first day: by it minute records are partitioned. */
export function utcMonth(at: number): string {
  return `${new Date(at).toISOString().slice(0, 7)}-01`;
}

/** Whether the runtime knows this IANA name. */
export function isTimeZone(name: string): boolean {
  // Temporal also takes offsets like `+02:00`, which know no summer time and are not IANA names.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    return false;
  }
}
