import { expect, it } from 'vitest';
import { Stopwatch } from './stopwatch.ts';

const GAP_MS = 20_000;

it('counts while it runs and stands while it is halted', () => {
  const stopwatch = new Stopwatch(1);
  stopwatch.run(1_000);
  stopwatch.halt(4_000);
  expect(stopwatch.recordedMs(9_000)).toBe(3_000);
  stopwatch.run(10_000);
  expect(stopwatch.recordedMs(10_500)).toBe(3_500);
});

it('counts a gap whole up to the longest, to the millisecond', () => {
  const stopwatch = new Stopwatch(1);
  stopwatch.run(0);
  stopwatch.prove(5_000);
  stopwatch.bridge(25_000, GAP_MS);
  expect(stopwatch.recordedMs(26_000)).toBe(26_000);
  expect(stopwatch.droppedMs).toBe(0);
});

it('counts a longer gap not at all, and says how long it was', () => {
  const stopwatch = new Stopwatch(1);
  stopwatch.run(0);
  stopwatch.prove(5_000);
  stopwatch.bridge(25_001, GAP_MS);
  expect(stopwatch.recordedMs(26_001)).toBe(6_000);
  expect(stopwatch.droppedMs).toBe(20_001);
});

it('drops nothing of a pause, however long', () => {
  const stopwatch = new Stopwatch(1);
  stopwatch.run(0);
  stopwatch.halt(3_000);
  stopwatch.bridge(90_000, GAP_MS);
  expect([stopwatch.recordedMs(95_000), stopwatch.droppedMs]).toEqual([3_000, 0]);
});

it('runs in meter time on the test clock, but the longest gap is real time', () => {
  const stopwatch = new Stopwatch(60);
  stopwatch.run(0);
  stopwatch.prove(1_000);
  stopwatch.bridge(16_000, GAP_MS);
  expect(stopwatch.recordedMs(17_000)).toBe(17_000 * 60);
});

it('learns how fast meter time runs, and keeps what it had counted of it', () => {
  const stopwatch = new Stopwatch(1);
  stopwatch.reset(10_000);
  stopwatch.run(0);
  stopwatch.prove(1_000);
  stopwatch.setSpeed(60, 1_000);
  expect(stopwatch.recordedMs(1_000)).toBeCloseTo(11_000);
  expect(stopwatch.recordedMs(2_000)).toBeCloseTo(71_000);
  stopwatch.bridge(30_000, GAP_MS);
  expect(stopwatch.recordedMs(30_000)).toBeCloseTo(11_000);
});

it('goes on from what an earlier life had counted', () => {
  const stopwatch = new Stopwatch(2);
  stopwatch.reset(10_000);
  stopwatch.bridge(500_000, GAP_MS);
  stopwatch.run(500_000);
  expect(stopwatch.recordedMs(501_000)).toBe(12_000);
});
