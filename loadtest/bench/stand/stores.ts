/** Redis and Postgres of one experiment, fresh, started as `npm start` starts them. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { connect } from '../../../drizzle/client.ts';
import { migrate } from '../../../drizzle/migrate.ts';
import { setSpeed } from '../../../drizzle/queries/clock.ts';
import { startPostgres } from '../../../local/postgres.ts';
import { startRedis } from '../../../local/redis.ts';
import type { Pinning } from './pin.ts';

export interface BenchStores {
  redisUrl: string;
  databaseUrl: string;
  /** may make tables */
  adminUrl: string;
  pids: { redis: number; postgres: number };
  stop(): Promise<void>;
}

export interface BenchStoresOptions {
  dataDir: string;
  pinning: Pinning;
  /** meter seconds a real one */
  speed: number;
}

export async function startBenchStores(options: BenchStoresOptions): Promise<BenchStores> {
  const { dataDir, pinning, speed } = options;
  const redis = await startRedis({ dataDir: join(dataDir, 'redis') });
  try {
    const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres') });
    // What Postgres has forked already is moved by name of its parent's group; the rest is born there.
    await pinning.pin(redis.pid, 'rest');
    await pinning.pin(postgres.pid, 'rest');
    await withoutRewrites(redis.url);
    await migrate(postgres.adminUrl);
    const admin = connect(postgres.adminUrl, {
      connections: 1,
      name: 'bench-clock',
      scope: 'installation',
    });
    await admin.db.transaction((tx) => setSpeed(tx, speed, Date.now()));
    await admin.stop();
    return {
      redisUrl: redis.url,
      databaseUrl: postgres.url,
      adminUrl: postgres.adminUrl,
      pids: { redis: redis.pid, postgres: postgres.pid },
      async stop() {
        await postgres.stop();
        await redis.stop();
        rmSync(dataDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

/** A rewrite of the append-only file would fall into whichever round it likes. */
async function withoutRewrites(url: string): Promise<void> {
  const redis = new Redis(url);
  await redis.config('SET', 'auto-aof-rewrite-percentage', '0');
  await redis.quit();
}
