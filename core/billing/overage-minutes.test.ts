import fc from 'fast-check';
import { expect, it } from 'vitest';
import { overageMinutes } from './overage-minutes.ts';

it.each([
  [0, false, 'minute', 0],
  [59_999, false, 'minute', 0],
  [60_000, false, 'second', 1],
  [60_001, false, 'minute', 1],
  [60_001, true, 'minute', 2],
  [60_001, true, 'second', 1],
  [120_000, true, 'minute', 2],
  [1, true, 'minute', 1],
  [0, true, 'minute', 0],
] as const)('of %d ms, ended %s, to the %s, are %d minutes', (ms, hasEnded, roundTo, minutes) => {
  expect(overageMinutes(ms, hasEnded, roundTo)).toBe(minutes);
});

it('never falls, whatever is added and when the period ends', () => {
  const steps = fc.array(fc.record({ ms: fc.nat(90_000), ends: fc.boolean() }));
  fc.assert(
    fc.property(steps, fc.constantFrom('second' as const, 'minute' as const), (all, roundTo) => {
      let [total, ended, before] = [0, false, 0];
      for (const { ms, ends } of all) {
        total += ms;
        ended ||= ends;
        const minutes = overageMinutes(total, ended, roundTo);
        expect(minutes).toBeGreaterThanOrEqual(before);
        expect(Math.abs(minutes * 60_000 - total)).toBeLessThan(60_000);
        before = minutes;
      }
    }),
  );
});
