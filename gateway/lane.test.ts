import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createLane } from './lane.ts';

it('lets so many go on at a time, in order, and a failure takes nobody’s place', async () => {
  const lane = createLane(3);
  let [going, most] = [0, 0];
  const done: number[] = [];
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      lane(async () => {
        going += 1;
        most = Math.max(most, going);
        await sleep(1);
        going -= 1;
        done.push(i);
        if (i % 4 === 0) throw new Error(String(i));
        return i;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(done).toHaveLength(20);
  expect(results.filter((it) => it.status === 'rejected')).toHaveLength(5);
  expect(await lane(async () => 'free again')).toBe('free again');
});
