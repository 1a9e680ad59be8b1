import fc from 'fast-check';
import { expect, it } from 'vitest';
import { billedMs } from './billed-time.ts';

it('bills a unit that was begun, and never one that was not', () => {
  expect([0, 1, 999, 1_000, 1_001].map((ms) => billedMs(ms, 'second'))).toEqual([
    ...[0, 1_000, 1_000, 1_000, 2_000],
  ]);
  expect([0, 1, 60_000, 60_001].map((ms) => billedMs(ms, 'minute'))).toEqual([
    ...[0, 60_000, 60_000, 120_000],
  ]);
});

it('is at least what was used, less than a unit more, and rounded once is rounded for good', () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 40),
      fc.constantFrom('second' as const, 'minute' as const),
      (ms, to) => {
        const billed = billedMs(ms, to);
        const unit = to === 'second' ? 1_000 : 60_000;
        expect(billed % unit).toBe(0);
        expect(billed - ms).toBeGreaterThanOrEqual(0);
        expect(billed - ms).toBeLessThan(unit);
        expect(billedMs(billed, to)).toBe(billed);
      },
    ),
  );
});
