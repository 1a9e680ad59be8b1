import { expect, it } from 'vitest';
import { lift, prove, setRunning, startStopwatch, wholeMs } from './stopwatch.ts';

const rules = { countedGapMs: 20_000, speed: 1 };

it('counts from one proof to the next', () => {
  const watch = startStopwatch(0, 1_000, true);
  prove(watch, 6_000, rules);
  prove(watch, 11_000.5, rules);
  expect(wholeMs(watch)).toBe(10_000);
});

it('counts a gap whole up to interval + timeout, and not at all beyond it', () => {
  const whole = startStopwatch(0, 0, true);
  prove(whole, 20_000, rules);
  expect(wholeMs(whole)).toBe(20_000);
  const none = startStopwatch(500, 0, true);
  prove(none, 20_001, rules);
  expect(wholeMs(none)).toBe(500);
  prove(none, 21_001, rules);
  expect(wholeMs(none)).toBe(1_500);
});

it('learns nothing from a proof that is older than the last', () => {
  const watch = startStopwatch(0, 0, true);
  prove(watch, 5_000, rules);
  prove(watch, 3_000, rules);
  expect(watch).toMatchObject({ totalMs: 5_000, provenAt: 5_000 });
  prove(watch, 5_000, rules);
  expect(wholeMs(watch)).toBe(5_000);
});

it('does not count paused time', () => {
  const watch = startStopwatch(0, 0, true);
  setRunning(watch, false, 4_000, rules);
  prove(watch, 9_000, rules);
  setRunning(watch, true, 10_000, rules);
  prove(watch, 11_000, rules);
  expect(wholeMs(watch)).toBe(5_000);
});

it('is lifted by what another witness knows, and never falls', () => {
  const watch = startStopwatch(7_000.4, 0, true);
  lift(watch, 6_000);
  expect(watch.totalMs).toBe(7_000.4);
  lift(watch, 9_000);
  expect(watch.totalMs).toBe(9_000);
});

it('runs at the speed of the test clock, with gaps in real time', () => {
  const watch = startStopwatch(0, 0, true);
  prove(watch, 20_000, { countedGapMs: 20_000, speed: 60 });
  expect(wholeMs(watch)).toBe(1_200_000);
});
