import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { meterKeys } from '../../core/meter/keys.ts';
import { createRate } from './rate.ts';

let redis: Redis;
beforeAll(() => {
  redis = new Redis(inject('redisUrl'));
});
afterAll(() => redis.quit());

/** So slow that none comes back within a test, or as given. */
function rateOf({ perSecond = 0.01, burst = 20, namespace = `rate-${randomUUID()}` } = {}) {
  const keys = meterKeys(namespace);
  const monotonicMs = () => performance.now();
  const make = (redisOf: () => Redis = () => redis) =>
    createRate({ perSecond, burst, keys, monotonicMs, redisOf });
  return { make, keys };
}

describe('a rate', () => {
  it('lets a burst through and no more, over all gateways', async () => {
    const { make } = rateOf();
    const [here, there] = [make(), make()];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 ? here : there).take('key:a')),
    );
    expect(answers.filter(({ isAllowed }) => isAllowed)).toHaveLength(20);
    const last = await here.take('key:a');
    expect(last).toMatchObject({ isAllowed: false, remaining: 0 });
    expect(last.retryAfterSeconds).toBeGreaterThan(90);
    expect((await here.take('key:b')).isAllowed).toBe(true);
  });

  it('tells how many are left', async () => {
    const rate = rateOf().make();
    const left = [];
    for (let i = 0; i < 3; i++) left.push((await rate.take('k')).remaining);
    expect(left).toEqual([19, 18, 17]);
  });

  it('lets one more in with each interval', async () => {
    const rate = rateOf({ perSecond: 1, burst: 1 }).make();
    expect((await rate.take('k')).isAllowed).toBe(true);
    expect((await rate.take('k')).isAllowed).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await rate.take('k')).isAllowed).toBe(true);
  });

  it('locks nobody out when the clock of Redis stepped back', async () => {
    const { make, keys } = rateOf({ perSecond: 10, burst: 2 });
    await redis.set(keys.rate('k'), String((Date.now() + 3_600_000) * 1_000));
    const answer = await make().take('k');
    expect(answer).toMatchObject({ isAllowed: false, retryAfterSeconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, 150));
    await make().take('k');
    expect(Number(await redis.get(keys.rate('k')))).toBeGreaterThan(0);
  });

  it('leaves nothing in Redis that stays', async () => {
    const { make, keys } = rateOf({ perSecond: 1_000, burst: 10 });
    await make().take('k');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await redis.exists(keys.rate('k'))).toBe(0);
  });

  it('is held by each gateway alone while Redis is away, and Redis is not asked by each', async () => {
    let asked = 0;
    const rate = rateOf().make(() => {
      asked += 1;
      throw new Error('nobody can be asked');
    });
    const answers = [];
    for (let i = 0; i < 30; i++) answers.push(await rate.take('k'));
    expect(answers.filter(({ isAllowed }) => isAllowed)).toHaveLength(20);
    expect(asked).toBe(1);
  });
});
