import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createLog } from '../core/runtime/log.ts';
import { repeat } from './repeat.ts';

const log = createLog({ name: 'test', level: 'silent' });
const NEVER_MS = 3_600_000;

it('runs at once and again, never twice at a time, and stops after the run under way', async () => {
  let runs = 0;
  let atWork = 0;
  const task = repeat({
    ...{ name: 'test', everyMs: 5, log },
    async run() {
      atWork += 1;
      expect(atWork).toBe(1);
      await sleep(10);
      atWork -= 1;
      runs += 1;
    },
  });
  await expect.poll(() => runs).toBeGreaterThan(2);
  await task.stop();
  expect(atWork).toBe(0);
  const then = runs;
  await sleep(50);
  expect(runs).toBe(then);
});

it('runs once more when it was woken during a run', async () => {
  let runs = 0;
  let release = () => {};
  const task = repeat({
    ...{ name: 'test', everyMs: NEVER_MS, log },
    run() {
      runs += 1;
      return new Promise((resolve) => {
        release = resolve;
      });
    },
  });
  await expect.poll(() => runs).toBe(1);
  task.wake();
  task.wake();
  expect(runs).toBe(1);
  release();
  await expect.poll(() => runs).toBe(2);
  release();
  await sleep(20);
  expect(runs).toBe(2);
  task.wake();
  await expect.poll(() => runs).toBe(3);
  release();
  await task.stop();
});

it('goes on after a failure, and is not woken out of its pause into a spin', async () => {
  let runs = 0;
  const task = repeat({
    ...{ name: 'test', everyMs: 30, log },
    async run() {
      runs += 1;
      task.wake();
      throw new Error('always');
    },
  });
  await sleep(100);
  expect(runs).toBeGreaterThan(1);
  expect(runs).toBeLessThan(10);
  await task.stop();
});
