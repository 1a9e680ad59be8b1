import { expect, it } from 'vitest';
import { BACKOFF_FIRST_MS, BACKOFF_LONGEST_MS, Backoff, seededRandom } from './backoff.ts';

it('waits a random part of a ceiling that doubles up to the longest', () => {
  const backoff = new Backoff(() => 0.5);
  const waits = Array.from({ length: 8 }, () => backoff.nextMs());
  expect(waits.slice(0, 4)).toEqual([0.5, 1, 2, 4].map((times) => times * BACKOFF_FIRST_MS));
  expect(waits.at(-1)).toBe(BACKOFF_LONGEST_MS / 2);
  backoff.reset();
  expect(backoff.nextMs()).toBe(BACKOFF_FIRST_MS / 2);
});

it('spreads a thousand clients over the whole of the first ceiling', () => {
  const random = seededRandom(1);
  const waits = Array.from({ length: 1_000 }, () => new Backoff(random).nextMs());
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const inTenth = waits.filter((ms) => Math.floor((ms * 10) / BACKOFF_FIRST_MS) === tenth);
    expect(inTenth.length).toBeGreaterThan(60);
  }
});

it('gives the same numbers for the same seed', () => {
  const [one, two, three] = [seededRandom(7), seededRandom(7), seededRandom(8)];
  const first = Array.from({ length: 5 }, one);
  expect(Array.from({ length: 5 }, two)).toEqual(first);
  expect(Array.from({ length: 5 }, three)).not.toEqual(first);
});
