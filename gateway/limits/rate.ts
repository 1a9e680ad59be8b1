/**
 * Requests a key, over all gateways: the generic cell rate algorithm (GCRA), one number a key in
 * Redis and the same here. Redis away, each gateway holds the rate by itself.
 */
import type { Redis } from 'ioredis';
import type { MeterKeys } from '../../core/meter/keys.ts';
import { scriptOf } from './script.ts';

const US_PER_SECOND = 1_000_000;
/** So long after a failed call nobody waits for Redis again. */
const SILENCE_MS = 1_000;
/** Keys that said nothing for long are forgotten here when there are so many. */
const MAX_KEYS = 10_000;

/**
 * ARGV: 1 µs a request, 2 µs of the whole burst. The value is the instant at which the bucket is full
 * again. Returns {1 or 0, µs until it is full, µs until one more may}. A clock that steps back locks
 * nobody out for longer than a burst.
 */
const TAKE = scriptOf(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = tonumber(ARGV[1])
local burst = tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now then full = now end
if full > now + burst then full = now + burst end
local after = full + each
if after - now > burst then return {0, full - now, after - now - burst} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1)
return {1, after - now, 0}
`);

export interface RateOptions {
  perSecond: number;
  burst: number;
}

export interface RateAnswer {
  isAllowed: boolean;
  /** so many more now */
  remaining: number;
  /** seconds until the burst is whole again */
  resetSeconds: number;
  /** whole seconds until one more may; 0: now */
  retryAfterSeconds: number;
}

export interface Rate extends RateOptions {
  /** Takes one. Never rejects. `id` is no secret: it becomes part of a name in Redis. */
  take(id: string): Promise<RateAnswer>;
}

export function createRate(
  options: RateOptions & {
    redisOf(key: string): Redis;
    keys: Pick<MeterKeys, 'rate'>;
    monotonicMs(): number;
  },
): Rate {
  const { perSecond, burst, redisOf, keys, monotonicMs } = options;
  const eachUs = US_PER_SECOND / perSecond;
  const burstUs = burst * eachUs;
  const fullById = new Map<string, number>();
  let silentUntil = Number.NEGATIVE_INFINITY;

  function answer(isAllowed: boolean, untilFullUs: number, untilOneUs: number): RateAnswer {
    return {
      isAllowed,
      remaining: isAllowed ? Math.max(0, Math.floor((burstUs - untilFullUs) / eachUs + 1e-6)) : 0,
      resetSeconds: Math.ceil(untilFullUs / US_PER_SECOND),
      retryAfterSeconds: isAllowed ? 0 : Math.max(1, Math.ceil(untilOneUs / US_PER_SECOND)),
    };
  }

  /** The same sum as in Redis, of this process alone. */
  function takeHere(id: string): RateAnswer {
    // Whole: with fractions a sum may be a hair over the burst, and who said nothing yet be refused.
    const nowUs = Math.round(monotonicMs() * 1_000);
    if (fullById.size > MAX_KEYS) {
      for (const [key, full] of fullById) if (full <= nowUs) fullById.delete(key);
    }
    const full = Math.max(nowUs, fullById.get(id) ?? nowUs);
    const after = full + eachUs;
    if (after - nowUs > burstUs) return answer(false, full - nowUs, after - nowUs - burstUs);
    fullById.set(id, after);
    return answer(true, after - nowUs, 0);
  }

  return {
    perSecond,
    burst,
    async take(id) {
      // Whoever is over the limit here alone is over it: Redis is spared the flood.
      const here = takeHere(id);
      if (!here.isAllowed || monotonicMs() < silentUntil) return here;
      const key = keys.rate(id);
      try {
        const taken = await TAKE(redisOf(key), key, [eachUs, burstUs]);
        const [isAllowed, untilFullUs, untilOneUs] = taken as [number, number, number];
        return answer(isAllowed === 1, untilFullUs, untilOneUs);
      } catch {
        silentUntil = monotonicMs() + SILENCE_MS;
        return here;
      }
    },
  };
}
