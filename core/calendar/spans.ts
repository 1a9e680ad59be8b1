import { Temporal } from 'temporal-polyfill';
import { type Anchor, type Period, periodAt } from './period.ts';

/** Local days from one to another, both in it, as `2026-03-29`. */
export function daysFrom(first: string, last: string): string[] {
  const end = Temporal.PlainDate.from(last);
  const days: string[] = [];
  for (
    let day = Temporal.PlainDate.from(first);
    Temporal.PlainDate.compare(day, end) <= 0;
    day = day.add({ days: 1 })
  ) {
    days.push(day.toString());
  }
  return days;
}

/** The number of days that `daysFrom` would give; below 1 where the last is before the first. */
export function countDays(first: string, last: string): number {
  return Temporal.PlainDate.from(first).until(last, { largestUnit: 'days' }).days + 1;
}

/** So many days later, or earlier. */
export function addDays(day: string, days: number): string {
  return Temporal.PlainDate.from(day).add({ days }).toString();
}

/**
 * Every billing period that has an instant of [from, to) in it: those that are there, and between
 * them those that the calendar would have made, cut to their gap as the ledger does when it makes one.
 * @param known those that are there, sorted; also the ones next to the range, if there are any
 */
export function periodsBetween(
  known: readonly Period[],
  anchor: Anchor,
  from: number,
  to: number,
): Period[] {
  const found: Period[] = [];
  for (let at = from; at < to; at = found.at(-1)!.endsAt) {
    const there = known.find((it) => it.startsAt <= at && at < it.endsAt);
    if (there !== undefined) {
      found.push({ startsAt: there.startsAt, endsAt: there.endsAt });
      continue;
    }
    const period = periodAt(at, anchor);
    const before = known.findLast((it) => it.endsAt <= at)?.endsAt ?? period.startsAt;
    const after = known.find((it) => it.startsAt > at)?.startsAt ?? period.endsAt;
    found.push({
      startsAt: Math.max(period.startsAt, before),
      endsAt: Math.min(period.endsAt, after),
    });
  }
  return found;
}
