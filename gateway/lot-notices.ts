/** What a recorder is told of extra minutes with an end. Pure: dates in, messages and instants out. */
import type { Expiry, ExtraExpires } from '../core/protocol/messages.ts';
import type { LotDates, LotEnd } from '../drizzle/queries/load-lot-dates.ts';

/** Meter time before the end of a lot at which its recorders are told, first the earlier one. */
export const NOTICE_AHEAD_MS = { day: 24 * 3_600_000, minutes: 10 * 60_000 } as const;

const shown = ({ at, ms }: LotEnd): ExtraExpires => ({ at, ms });

export function nextOf({ next }: LotDates): ExtraExpires | null {
  return next && shown(next);
}

/** Names which lot is next, and when: what is told anew when it is another. */
export const nameOf = ({ next }: LotDates): string => (next ? `${next.lot}/${next.at}` : 'none');

/** All that holds at an instant, in the order in which it is said; the last is of what is next. */
export function noticesAt(dates: LotDates, at: number): Expiry[] {
  const extraExpires = nextOf(dates);
  const gone = dates.expired.map((end): Expiry => {
    const id = `${end.lot}/${end.at}/expired`;
    return { type: 'expiry', id, notice: 'expired', extraExpires, expired: shown(end) };
  });
  const notice = dates.next ? noticeOf(dates.next, at) : 'changed';
  return [...gone, { type: 'expiry', id: `${nameOf(dates)}/${notice}`, notice, extraExpires }];
}

function noticeOf({ at: endsAt }: LotEnd, at: number): Expiry['notice'] {
  if (at >= endsAt - NOTICE_AHEAD_MS.minutes) return 'minutes';
  return at >= endsAt - NOTICE_AHEAD_MS.day ? 'day' : 'changed';
}

/**
 * The next instant after `at` to wake for: a notice, or the end of a lot or a loan, at which all
 * recorders are ticked, so that what they recorded until then is known. null: none.
 */
export function wakeAfter({ next, holdUntil }: LotDates, at: number): number | null {
  const instants = next
    ? [next.at - NOTICE_AHEAD_MS.day, next.at - NOTICE_AHEAD_MS.minutes, next.at]
    : [];
  if (holdUntil !== null) instants.push(holdUntil);
  const ahead = instants.filter((instant) => instant > at);
  return ahead.length === 0 ? null : Math.min(...ahead);
}

/** Whether a lot or a loan ends at this instant. */
export const endsAt = ({ next, holdUntil }: LotDates, instant: number): boolean =>
  next?.at === instant || holdUntil === instant;
