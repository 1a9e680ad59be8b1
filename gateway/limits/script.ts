/** A small Lua script beside the meter's own: sent by its digest, whole where a server lacks it. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

export type RunScript = (redis: Redis, key: string, args: (string | number)[]) => Promise<unknown>;

export function scriptOf(lua: string): RunScript {
  const sha = createHash('sha1').update(lua).digest('hex');
  return async (redis, key, args) => {
    try {
      return await redis.evalsha(sha, 1, key, ...args);
    } catch (error) {
      if (!String(error).includes('NOSCRIPT')) throw error;
      return redis.eval(lua, 1, key, ...args);
    }
  };
}
