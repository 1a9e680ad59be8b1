import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nextPeriod, type Period, periodAt } from './period.ts';
import { addDays, countDays, daysFrom, periodsBetween } from './spans.ts';

const BERLIN = { anchorDay: 31, timeZone: 'Europe/Berlin' };

it('names every local day once, over the end of a month and of a leap February', () => {
  expect(daysFrom('2028-02-28', '2028-03-01')).toEqual(['2028-02-28', '2028-02-29', '2028-03-01']);
  expect(daysFrom('2026-01-02', '2026-01-01')).toEqual([]);
  expect(countDays('2026-01-02', '2026-01-01')).toBe(0);
  expect(addDays('2026-03-01', -1)).toBe('2026-02-28');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 800 }), (at, n) => {
      const first = addDays('1990-01-01', at);
      const days = daysFrom(first, addDays(first, n));
      expect(days.length).toBe(n + 1);
      expect(days.length).toBe(countDays(first, days.at(-1)!));
      expect(new Set(days).size).toBe(days.length);
    }),
  );
});

it('lays periods without a gap or an overlap, whichever of them are there already', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 500 }),
      fc.integer({ min: 1, max: 700 }),
      fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
      fc.integer({ min: 1, max: 31 }),
      (start, lengthDays, isThere, anchorDay) => {
        const from = Date.UTC(2024, 0, 1) + start * 86_400_000;
        const to = from + lengthDays * 86_400_000;
        // Made by another anchor: what is between them must be cut.
        const known: Period[] = [];
        let period = periodAt(Date.UTC(2023, 11, 1), BERLIN);
        for (const there of isThere) {
          if (there) known.push(period);
          period = nextPeriod(period, BERLIN);
        }
        const found = periodsBetween(known, { ...BERLIN, anchorDay }, from, to);
        expect(found[0]!.startsAt).toBeLessThanOrEqual(from);
        expect(found.at(-1)!.endsAt).toBeGreaterThanOrEqual(to);
        found.forEach((it, i) => {
          expect(it.endsAt).toBeGreaterThan(it.startsAt);
          if (i > 0) expect(it.startsAt).toBe(found[i - 1]!.endsAt);
        });
        for (const it of known) {
          const isIn = it.startsAt < to && it.endsAt > from;
          expect(found.some(({ startsAt }) => startsAt === it.startsAt)).toBe(isIn);
        }
      },
    ),
    { numRuns: 60 },
  );
});
