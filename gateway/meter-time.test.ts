import { beforeEach, describe, expect, it } from 'vitest';
import { type VirtualClock, virtualClock } from '../core/runtime/clock.ts';
import { createMeterTime, type MeterTime } from './meter-time.ts';

const DAY_MS = 86_400_000;
let clock: VirtualClock;
let time: MeterTime;

function start(speed = 1, aheadMs = 0): void {
  clock = virtualClock();
  const realBaseAt = clock.wallMs();
  time = createMeterTime(clock, { meterBaseAt: realBaseAt + aheadMs, realBaseAt, speed });
}
beforeEach(() => start());

describe('before the meter has answered', () => {
  it('is what its clock in Postgres says', () => {
    start(60, 45 * DAY_MS);
    const begin = clock.wallMs();
    clock.advance(1_000);
    expect(time.now()).toBe(begin + 45 * DAY_MS + 60_000);
    expect(time.at(clock.monotonicMs() - 500)).toBe(begin + 45 * DAY_MS + 30_000);
  });
});

describe('once the meter has answered', () => {
  it('goes on with the monotonic clock, whatever the calendar is set to', () => {
    const begin = clock.wallMs();
    time.saw(begin + 5_000);
    clock.stepWall(3_600_000);
    clock.advance(1_000);
    expect(time.now()).toBe(begin + 6_000);
  });

  it('runs at the speed of the test clock', () => {
    start(60);
    const begin = clock.wallMs();
    time.saw(begin);
    clock.advance(1_000);
    expect(time.now()).toBe(begin + 60_000);
    expect(time.realMsTo(begin + 120_000)).toBe(1_000);
    expect(time.realMsTo(begin)).toBe(-1_000);
  });

  it('believes the reply that came fastest', () => {
    const begin = clock.wallMs();
    time.saw(begin + 90);
    clock.advance(100);
    time.saw(begin + 100 + 40);
    expect(time.now()).toBe(begin + 189);
    time.saw(begin + 100 + 95);
    expect(time.now()).toBe(begin + 195);
  });

  it('follows a clock that runs a little slower', () => {
    const begin = clock.wallMs();
    time.saw(begin);
    for (let s = 0; s < 600; s++) {
      clock.advance(1_000);
      time.saw(clock.wallMs() - s * 0.1);
    }
    expect(Math.abs(time.now() - (begin + 600_000 - 60))).toBeLessThan(3);
  });

  it('is not thrown back by late replies of a process that was held up', () => {
    const begin = clock.wallMs();
    time.saw(begin);
    clock.advance(5_000);
    // Answers of five seconds ago, read all at once.
    for (let i = 0; i < 10; i++) time.saw(begin + 100 + i);
    expect(time.now()).toBeGreaterThan(begin + 4_995);
    clock.advance(100);
    time.saw(clock.wallMs());
    expect(time.now()).toBe(clock.wallMs());
  });

  it('follows a clock that was set forward at once', () => {
    time.saw(clock.wallMs());
    clock.advance(1_000);
    time.saw(clock.wallMs() + 3_600_000);
    expect(time.now()).toBe(clock.wallMs() + 3_600_000);
  });

  it('follows a clock that was set back when its replies go on saying so', () => {
    time.saw(clock.wallMs());
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000);
      time.saw(clock.wallMs() - 3_600_000);
    }
    expect(time.now()).toBe(clock.wallMs() - 3_600_000);
  });
});
