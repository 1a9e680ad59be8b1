import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { localDay } from './local-day.ts';
import { nextPeriod, periodAt } from './period.ts';

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'Asia/Beirut',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Pacific/Apia',
  'Pacific/Kiritimati',
  'America/St_Johns',
];
const DAY_MS = 24 * 60 * 60 * 1000;
const anchor = fc.record({
  anchorDay: fc.integer({ min: 1, max: 31 }),
  timeZone: fc.constantFrom(...ZONES),
});
const instant = fc.integer({ min: Date.UTC(2005, 0, 1), max: Date.UTC(2045, 0, 1) });

const iso = (at: number) => new Date(at).toISOString();

describe('a period', () => {
  it('runs from midnight of the anchor day to midnight of the next one, in the zone', () => {
    const period = periodAt(Date.UTC(2026, 4, 20), { anchorDay: 15, timeZone: 'Europe/Berlin' });
    expect(iso(period.startsAt)).toBe('2026-05-14T22:00:00.000Z');
    expect(iso(period.endsAt)).toBe('2026-06-14T22:00:00.000Z');
  });

  it('keeps the 31st through short months', () => {
    const anchorDay = { anchorDay: 31, timeZone: 'UTC' };
    let period = periodAt(Date.UTC(2028, 0, 31), anchorDay);
    const starts = [iso(period.startsAt).slice(0, 10)];
    for (let i = 0; i < 5; i++) {
      period = nextPeriod(period, anchorDay);
      starts.push(iso(period.startsAt).slice(0, 10));
    }
    expect(starts).toEqual([
      '2028-01-31',
      '2028-02-29',
      '2028-03-31',
      '2028-04-30',
      '2028-05-31',
      '2028-06-30',
    ]);
  });

  it('begins with the first instant of a day that has no midnight', () => {
    // In Beirut clocks went from 23:59:59 of 2022-03-26 to 01:00.
    const period = periodAt(Date.UTC(2022, 2, 28), { anchorDay: 27, timeZone: 'Asia/Beirut' });
    expect(iso(period.startsAt)).toBe('2022-03-26T22:00:00.000Z');
  });

  it('contains its instant, touches its neighbour, and is a month long', () => {
    fc.assert(
      fc.property(instant, anchor, (at, where) => {
        const period = periodAt(at, where);
        expect(period.startsAt).toBeLessThanOrEqual(at);
        expect(period.endsAt).toBeGreaterThan(at);
        const days = (period.endsAt - period.startsAt) / DAY_MS;
        expect(days).toBeGreaterThan(26.9);
        expect(days).toBeLessThan(31.1);
        expect(nextPeriod(period, where).startsAt).toBe(period.endsAt);
        expect(periodAt(period.startsAt, where)).toEqual(period);
        expect(periodAt(period.endsAt - 1, where)).toEqual(period);
      }),
    );
  });

  it('begins on the anchor day, or on the last of a month that is too short for it', () => {
    fc.assert(
      fc.property(instant, anchor, (at, where) => {
        const { startsAt } = periodAt(at, where);
        const [year, month, day] = localDay(startsAt, where.timeZone).split('-').map(Number);
        const daysInMonth = new Date(Date.UTC(year!, month!, 0)).getUTCDate();
        // Samoa skipped 2011-12-30: that day's first instant is the 31st.
        if (where.timeZone === 'Pacific/Apia' && year === 2011 && month === 12) return;
        expect(day).toBe(Math.min(where.anchorDay, daysInMonth));
        expect(localDay(startsAt - 1, where.timeZone)).not.toBe(localDay(startsAt, where.timeZone));
      }),
    );
  });

  it('refuses an anchor day and a zone that do not exist, and names them', () => {
    expect(() => periodAt(0, { anchorDay: 32, timeZone: 'UTC' })).toThrow('32');
    expect(() => periodAt(0, { anchorDay: 1.5, timeZone: 'UTC' })).toThrow('1.5');
    expect(() => periodAt(0, { anchorDay: 1, timeZone: 'Mars/Olympus' })).toThrow(/Mars.Olympus/i);
  });
});
