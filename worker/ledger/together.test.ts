import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { together } from './together.ts';

it('answers what each of the statements answers', async () => {
  expect(await together([Promise.resolve(1), sleep(5, 'two')])).toEqual([1, 'two']);
});

it('throws the first error of the list, even if a later one is heard of before', async () => {
  const cause = sleep(5).then(() => Promise.reject(new Error('stale')));
  const after = Promise.reject(new Error('the transaction has failed'));
  await expect(together([Promise.resolve(1), cause, after])).rejects.toThrow('stale');
});
