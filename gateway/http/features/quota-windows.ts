import { localDay, localDayBounds } from '../../../core/calendar/local-day.ts';
import type { Period } from '../../../core/calendar/period.ts';
import type { Windows } from './piece-limit.ts';

/**
 * What a piece at this instant counts in: the local day, 23 to 25 hours where clocks change, and the
 * billing period. @param at meter time, epoch ms
 */
export function windowsAt(at: number, timeZone: string, period: Period): Windows {
  return { day: localDayBounds(localDay(at, timeZone), timeZone), month: period };
}
