/** What the plan, the organization and the member say of a start, as the meter is asked. */
import { localDay, localDayBounds } from '../core/calendar/local-day.ts';
import type { DayLimits, OpenCommand } from '../core/meter/open-command.ts';
import type { Limits } from '../drizzle/queries/load-limits.ts';

/**
 * Real ms after which a wait for a place lapses that no gateway speaks for: its gateway was killed, or
 * its recorder was lost. Long enough for it to come back by another gateway and keep its turn.
 */
export const QUEUE_LEASE_MS = 5_000;

type Asked = Pick<
  OpenCommand,
  | 'concurrentSessions'
  | 'memberConcurrentSessions'
  | 'queue'
  | 'isShadow'
  | 'sessionLimitMs'
  | 'sessionLevels'
> & {
  /** the limits of the local day of a meter instant; null: none */
  dayAt(at: number): DayLimits | null;
};

/** `speed`: meter ms in a real one. */
export function admissionLimits(limits: Limits, speed: number): Asked {
  const { isShadow, member, queue, maxSessionMs, levels } = limits;
  const leaseMs = QUEUE_LEASE_MS * speed;
  return {
    isShadow,
    concurrentSessions: limits.concurrentSessions,
    memberConcurrentSessions: member?.concurrentSessions ?? null,
    queue: queue === null ? null : { max: queue.max, leaseMs, turn: null },
    sessionLimitMs: isShadow ? null : maxSessionMs,
    sessionLevels: maxSessionMs === null ? [] : levels,
    dayAt: (at) => dayLimitsAt(limits, at),
  };
}

/** null: neither the organization's sessions a day nor the member's are limited. */
export function dayLimitsAt(limits: Limits, at: number): DayLimits | null {
  const { sessionsPerDay, member, timeZone } = limits;
  const memberSessions = member?.sessionsPerDay ?? null;
  if (sessionsPerDay === null && memberSessions === null) return null;
  const { startsAt, endsAt } = localDayBounds(localDay(at, timeZone), timeZone);
  return { startsAt, endsAt, sessions: sessionsPerDay, memberSessions };
}
