import type { Redis } from 'ioredis';
import { meterKeys } from '../../core/meter/keys.ts';
import { createMeter, type RedisMeter } from '../../core/meter/meter.ts';
import { readAddresses } from '../../core/runtime/addresses.ts';
import { FlagError } from '../../core/runtime/command.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { MeterConnection } from '../../core/runtime/meter-server.ts';
import { connectMeter } from '../../core/runtime/redis.ts';
import { placesOf } from '../../core/runtime/redis-address.ts';
import { connect, type DatabaseConnection } from '../../drizzle/client.ts';

const CONNECTIONS = 3;
/** Shown by pg_stat_activity and CLIENT LIST. */
export const CONNECTION_NAME = 'taximeter-doctor';

export interface StoreAddresses {
  redisUrl: string;
  databaseUrl: string;
  /** "the product that runs with .taximeter" */
  whose: string;
}

export interface Stores extends StoreAddresses {
  database: DatabaseConnection;
  redis: MeterConnection;
  meter: RedisMeter;
  /** where a shard's unsettled set is counted; throws where nobody can be asked */
  unsettledOf(shard: number): { redis: Redis; key: string };
  stop(): Promise<void>;
}

/** Nothing runs, as far as can be seen. The message says what to set. */
export class NothingToLookAt extends Error {
  override name = 'NothingToLookAt';
}

/** The exit code where there is nothing to look at, or a flag is wrong. */
export const nothingCode = (error: unknown): number | null =>
  error instanceof FlagError || error instanceof NothingToLookAt ? 2 : null;

/** REDIS_URL and DATABASE_URL, or what a running `npm start` left in its data folder. */
export function findStores(
  env: { REDIS_URL?: string | undefined; DATABASE_URL?: string | undefined },
  dataDir: string,
): StoreAddresses {
  const { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl } = env;
  if (redisUrl && databaseUrl) return { redisUrl, databaseUrl, whose: 'REDIS_URL, DATABASE_URL' };
  const found = readAddresses(dataDir);
  if (found === null) {
    throw new NothingToLookAt(
      `Nothing runs with the data folder ${dataDir}. Start it (npm start), name its folder with ` +
        '--data, or set REDIS_URL and DATABASE_URL to look at other stores.',
    );
  }
  return {
    redisUrl: redisUrl || found.redisUrl,
    databaseUrl: databaseUrl || found.databaseUrl,
    whose: `the product on port ${found.port} (${dataDir})`,
  };
}

/** For a person: where, without passwords. */
export function placeText({ redisUrl, databaseUrl, whose }: StoreAddresses): string {
  const { hostname, port, pathname, username } = new URL(databaseUrl);
  const database = `${hostname}:${port || 5432}${pathname} as ${username || 'nobody'}`;
  return `${whose}: Redis at ${placesOf(redisUrl)}, Postgres at ${database}`;
}

/** Connects; that a store can't be reached is found by the first look at it. */
export function openStores(addresses: StoreAddresses, log: Log, namespace?: string): Stores {
  const database = connect(addresses.databaseUrl, {
    connections: CONNECTIONS,
    name: CONNECTION_NAME,
    // Of every organization: it looks at what workers wrote, and mends it as they would.
    scope: 'worker',
  });
  const redis = connectMeter(addresses.redisUrl, { log, name: CONNECTION_NAME });
  const keys = meterKeys(namespace);
  return {
    ...addresses,
    database,
    redis,
    meter: createMeter(redis, namespace === undefined ? {} : { namespace }),
    unsettledOf(shard) {
      const key = keys.unsettled(shard);
      return { redis: redis.redisOf(key), key };
    },
    async stop() {
      await redis.stop();
      await database.stop();
    },
  };
}
