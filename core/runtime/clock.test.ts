import { describe, expect, it } from 'vitest';
import { systemClock, virtualClock } from './clock.ts';

describe('the virtual clock', () => {
  it('moves both clocks when time passes, and only the calendar when that is set', () => {
    const clock = virtualClock(1_000);
    clock.advance(250);
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([250, 1_250]);
    clock.stepWall(-3_600_000);
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([250, 1_250 - 3_600_000]);
  });

  it('refuses to run backwards', () => {
    expect(() => virtualClock().advance(-1)).toThrow('-1 ms');
    expect(() => virtualClock().advance(Number.NaN)).toThrow(RangeError);
  });
});

describe('the system clock', () => {
  it('has a stopwatch that never falls', () => {
    const readings = Array.from({ length: 1_000 }, () => systemClock.monotonicMs());
    expect(readings).toEqual([...readings].sort((a, b) => a - b));
  });
});
