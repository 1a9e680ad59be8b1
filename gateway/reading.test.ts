import fc from 'fast-check';
import { expect, it } from 'vitest';
import { budgetRow } from '../core/meter/test-rows.ts';
import { readingOf, readingText } from './reading.ts';

const MAX_MS = 10 ** 13;
const ms = fc.integer({ min: 0, max: MAX_MS });
const names = ['o|acme|1000', 'm|acme|ann|1000', 's|acme|s1'];

it('reads the same as an object and as text', () => {
  const rows = fc.record({
    name: fc.constantFrom(...names),
    quotaMs: fc.option(ms),
    mode: fc.constantFrom(0, 1, 2),
    startsAt: ms,
    endsAt: fc.option(ms),
    ...{ usedMs: ms, planMs: ms, extraMs: ms, overageMs: ms, remainingMs: fc.option(ms) },
    ...{ extraRemainingMs: ms, burnRate: fc.nat(200), frontierSumMs: ms },
  });
  fc.assert(
    fc.property(rows, ms, ms, (figures, sessionMs, at) => {
      const row = budgetRow(figures as Parameters<typeof budgetRow>[0]);
      expect(readingText(row, sessionMs, at)).toBe(JSON.stringify(readingOf(row, sessionMs, at)));
    }),
    { seed: 1, numRuns: 500 },
  );
});
