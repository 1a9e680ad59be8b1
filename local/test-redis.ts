import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type RedisOptions, type RunningRedis, startRedis } from './redis.ts';

export interface TestRedis extends RunningRedis {
  /** Start again with this folder (and port) for a test of a restart. */
  dataDir: string;
  port: number;
}

/** A Redis of one's own, for tests that empty it, restart it or put older data under it. */
export async function startTestRedis(options: Partial<RedisOptions> = {}): Promise<TestRedis> {
  const dataDir =
    options.dataDir ?? join(inject('runFolder'), `redis-${randomBytes(6).toString('hex')}`);
  const redis = await startRedis({ ...options, dataDir });
  return { ...redis, dataDir, port: Number(new URL(redis.url).port) };
}
