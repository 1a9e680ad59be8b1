import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTimeZone, localDay, localDayBounds, utcMonth } from './local-day.ts';

describe('a local day', () => {
  it('is the day where the organization lives', () => {
    const at = Date.UTC(2026, 0, 1, 2);
    expect(localDay(at, 'UTC')).toBe('2026-01-01');
    expect(localDay(at, 'America/New_York')).toBe('2025-12-31');
    expect(localDay(at, 'Pacific/Kiritimati')).toBe('2026-01-01');
  });

  it('has 23 hours when clocks go forward and 25 when they go back', () => {
    const hours = (day: string) => {
      const { startsAt, endsAt } = localDayBounds(day, 'Europe/Berlin');
      return (endsAt - startsAt) / 3_600_000;
    };
    expect([hours('2026-03-29'), hours('2026-07-01'), hours('2026-10-25')]).toEqual([23, 24, 25]);
  });

  it('contains every instant that is said to be of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(2012, 0, 1), max: Date.UTC(2040, 0, 1) }),
        fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Beirut', 'America/Sao_Paulo'),
        (at, timeZone) => {
          const { startsAt, endsAt } = localDayBounds(localDay(at, timeZone), timeZone);
          expect(startsAt).toBeLessThanOrEqual(at);
          expect(endsAt).toBeGreaterThan(at);
        },
      ),
    );
  });
});

it('names the month of an instant by its first day, in UTC', () => {
  expect(utcMonth(Date.UTC(2026, 11, 31, 23, 59, 59, 999))).toBe('2026-12-01');
  expect(utcMonth(Date.UTC(2027, 0, 1))).toBe('2027-01-01');
});

it('knows time zones by their IANA name only', () => {
  expect(isTimeZone('Europe/Berlin')).toBe(true);
  expect(isTimeZone('UTC')).toBe(true);
  expect(isTimeZone('+02:00')).toBe(false);
  expect(isTimeZone('Europe/Atlantis')).toBe(false);
  expect(isTimeZone('')).toBe(false);
});
