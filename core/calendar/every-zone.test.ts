/**
 * Periods over years of calendars, in every time zone that the runtime knows. The suite takes a seeded
 * sample and the zones that are known for their tricks; `EVERY_ZONE=1` takes all of them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Anchor, nextPeriod, type Period, periodAt } from './period.ts';

/** Zones that skip a midnight, a whole day, or live one midnight twice. */
const TRICKY = [
  'America/Asuncion',
  'America/Havana',
  'America/Sao_Paulo',
  'America/Scoresbysund',
  'America/St_Johns',
  'Antarctica/Troll',
  'Asia/Amman',
  'Asia/Beirut',
  'Asia/Gaza',
  'Asia/Tehran',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Pacific/Apia',
  'Pacific/Fakaofo',
  'Pacific/Kiritimati',
  'Pacific/Kwajalein',
];
const ALL = Intl.supportedValuesOf('timeZone');
const isAll = process.env.EVERY_ZONE === '1';
const SEED = Number(process.env.SEED ?? 20_260_530);
const SAMPLED = 24;
const zones = isAll
  ? [...new Set([...ALL, ...TRICKY])]
  : [
      ...new Set([
        ...TRICKY,
        ...fc.sample(fc.constantFrom(...ALL), { seed: SEED, numRuns: SAMPLED }),
      ]),
    ];

const DAY_MS = 24 * 60 * 60 * 1000;
const FROM = Date.UTC(1990, 0, 1);
const TO = Date.UTC(2060, 0, 1);
/** Months that one walk goes through. */
const MONTHS = isAll ? 60 : 14;
const WALKS = isAll ? 12 : 2;

/** The local date as the platform itself formats it: no calendar of ours. */
function formatter(timeZone: string): (at: number) => { year: number; month: number; day: number } {
  const format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    ...{ timeZone, year: 'numeric', month: 'numeric', day: 'numeric' },
  });
  return (at) => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    return { year: parts.get('year')!, month: parts.get('month')!, day: parts.get('day')! };
  };
}

type LocalDate = ReturnType<ReturnType<typeof formatter>>;
const ordinal = ({ year, month, day }: LocalDate) => Date.UTC(year, month - 1, day) / DAY_MS;
const daysIn = ({ year, month }: LocalDate) => new Date(Date.UTC(year, month, 0)).getUTCDate();

/** The period, asked for by its edges and by some instants within, is always the same one. */
function expectStable(period: Period, anchor: Anchor, within: number[]): void {
  const { startsAt, endsAt } = period;
  const asked = within.map((part) => startsAt + Math.floor((endsAt - startsAt - 1) * part));
  const hour = 3_600_000;
  for (const at of [startsAt, startsAt + 1, startsAt + hour, endsAt - hour, endsAt - 1, ...asked]) {
    expect(periodAt(at, anchor), new Date(at).toISOString()).toEqual(period);
  }
}

/**
 * At the first instant of the anchor day: the date there is that day (or a later one, where the zone
 * skipped it), and a millisecond before it is an earlier one.
 */
function expectAnchored(startsAt: number, { anchorDay, timeZone }: Anchor): void {
  const local = formatter(timeZone);
  const date = local(startsAt);
  const before = local(startsAt - 1);
  expect(ordinal(before), 'the day before').toBeLessThan(ordinal(date));
  const wanted = Math.min(anchorDay, daysIn(date));
  if (date.day === wanted) return;
  // A skipped day: the anchor lies between the two dates.
  const month = wanted > date.day ? before : date;
  const anchored = { ...month, day: Math.min(anchorDay, daysIn(month)) };
  expect(ordinal(anchored), `${timeZone} skipped it`).toBeGreaterThan(ordinal(before));
  expect(ordinal(anchored)).toBeLessThan(ordinal(date));
}

describe.each(zones)('in %s', (timeZone) => {
  it('periods cover the years without a gap, from midnight of the anchor day', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: FROM, max: TO }),
        fc.integer({ min: 1, max: 31 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
        (at, anchorDay, within) => {
          const anchor = { anchorDay, timeZone };
          let period = periodAt(at, anchor);
          expect(period.startsAt).toBeLessThanOrEqual(at);
          for (let month = 0; month < MONTHS; month++) {
            expectStable(period, anchor, within);
            expectAnchored(period.startsAt, anchor);
            const days = (period.endsAt - period.startsAt) / DAY_MS;
            expect(days).toBeGreaterThan(26.9);
            expect(days).toBeLessThan(32.1);
            const next = nextPeriod(period, anchor);
            expect(next.startsAt).toBe(period.endsAt);
            period = next;
          }
        },
      ),
      { seed: SEED, numRuns: WALKS },
    );
  }, 120_000);
});

const iso = (at: number) => new Date(at).toISOString();

it('a day that a zone skipped begins with the day after it', () => {
  // Samoa went from 2011-12-29 24:00 (UTC-10) to 2011-12-31 00:00 (UTC+14).
  const period = periodAt(Date.UTC(2012, 0, 2), { anchorDay: 30, timeZone: 'Pacific/Apia' });
  expect(iso(period.startsAt)).toBe('2011-12-30T10:00:00.000Z');
  expect(iso(period.endsAt)).toBe('2012-01-29T10:00:00.000Z');
});

it('a midnight that comes twice is a boundary once, and the hour between them is after it', () => {
  // In St John's clocks went back from 00:01 of 2009-11-01 to 23:01 of the day before.
  const anchor = { anchorDay: 1, timeZone: 'America/St_Johns' };
  const first = Date.UTC(2009, 10, 1, 2, 30);
  expect(iso(periodAt(first - 1, anchor).endsAt)).toBe(iso(first));
  for (const minutes of [0, 1, 30, 60, 61, 120]) {
    const period = periodAt(first + minutes * 60_000, anchor);
    expect(iso(period.startsAt), `${minutes} minutes after`).toBe(iso(first));
    expect(iso(period.endsAt)).toBe('2009-12-01T03:30:00.000Z');
  }
});
