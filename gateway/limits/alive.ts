/**
 * Which gateway processes there are, by a sign of life a second in Redis. What a process counted
 * stops counting when its sign is missing: who was on a gateway that was killed must get in elsewhere.
 */
import type { Redis } from 'ioredis';
import type { MeterKeys } from '../../core/meter/keys.ts';
import { scriptOf } from './script.ts';

export const ALIVE_EVERY_MS = 1_000;
/** Without a sign this long a process is taken for dead, a frozen one too. */
export const ALIVE_MS = 3_500;
const FORGET_MS = 60_000;

/** ARGV: 1 who, 2 alive ms, 3 forget ms. Returns who is alive; a clock that steps makes nobody immortal. */
const SIGN = scriptOf(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], now)
local all = redis.call('HGETALL', KEYS[1])
local alive = {}
for i = 1, #all, 2 do
  local age = math.abs(now - tonumber(all[i + 1]))
  if age <= tonumber(ARGV[2]) then alive[#alive + 1] = all[i] end
  if age > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], all[i]) end
end
return alive
`);

export interface Alive {
  readonly me: string;
  /** all that live, as last heard; this one is always among them */
  all(): readonly string[];
  stop(): Promise<void>;
}

export interface AliveOptions {
  /** of this process and this start of it */
  me: string;
  redisOf(key: string): Redis;
  keys: Pick<MeterKeys, 'gateways'>;
}

/** Resolves once the others are known, or Redis was asked in vain. */
export async function startAlive({ me, redisOf, keys }: AliveOptions): Promise<Alive> {
  const key = keys.gateways();
  let all: readonly string[] = [me];
  async function sign(): Promise<void> {
    try {
      all = (await SIGN(redisOf(key), key, [me, ALIVE_MS, FORGET_MS])) as string[];
    } catch {
      // Who lived when Redis was last asked is the best that is known.
    }
  }
  await sign();
  const timer = setInterval(() => void sign(), ALIVE_EVERY_MS);
  return {
    me,
    all: () => all,
    async stop() {
      clearInterval(timer);
      await Promise.resolve()
        .then(() => redisOf(key).hdel(key, me))
        .catch(() => {});
    },
  };
}
