import { expect, it } from 'vitest';
import { clock, left, passed, size } from './format.ts';

it('counts a second that passed when it is full, and one that is left until it is gone', () => {
  expect(passed(59_999)).toBe('0:59');
  expect(left(59_001)).toBe('1:00');
  // Of 30 s, at 24.5 s: what is shown of both adds up.
  expect([passed(24_500), left(5_500)]).toEqual(['0:24', '0:06']);
  expect([passed(30_000), left(0)]).toEqual(['0:30', '0:00']);
});

it('shows hours only where there are some, unless it is a clock', () => {
  expect(passed(3_599_000)).toBe('59:59');
  expect(passed(3_600_000)).toBe('1:00:00');
  expect(passed(100 * 3_600_000)).toBe('100:00:00');
  expect(clock(61_000)).toBe('0:01:01');
});

it.each([
  [0, '1 kB'],
  [123_400, '123 kB'],
  [2_345_678, '2.3 MB'],
])('says %i bytes as %s', (bytes, text) => {
  expect(size(bytes)).toBe(text);
});
