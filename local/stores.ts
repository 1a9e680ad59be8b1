import { join } from 'node:path';
import { connect } from '../drizzle/client.ts';
import { migrate } from '../drizzle/migrate.ts';
import { setSpeed } from '../drizzle/queries/clock.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import { seed, seedDevelopmentKey } from './seed.ts';

export interface Stores {
  redisUrl: string;
  databaseUrl: string;
  /** The same one, as workers log in. */
  workerDatabaseUrl: string;
  /** Resolves with a sentence when one of ours ended by itself; never for servers of others. */
  ended: Promise<string>;
  stop(): Promise<void>;
}

export interface StoresOptions {
  dataDir: string;
  toolsFolder: string;
  /** Servers to use instead of our own. The admin address migrates; it may be the same. */
  redisUrl: string | undefined;
  databaseUrl: string | undefined;
  workerDatabaseUrl: string | undefined;
  databaseAdminUrl: string | undefined;
  /** Meter seconds a real second, from now on. */
  speed: number;
  say: (line: string) => void;
}

const roleOf = (url: string) => decodeURIComponent(new URL(url).username);

/** Before the gateways start: they read the speed once, and the worker tells the meter. */
async function setClock(adminUrl: string, speed: number): Promise<void> {
  const connection = connect(adminUrl, { connections: 1, name: 'taximeter-clock' });
  try {
    await connection.db.transaction((tx) => setSpeed(tx, speed, Date.now()));
  } finally {
    await connection.stop();
  }
}

/** Brings up Redis and Postgres where none is named, migrates and seeds. All or nothing. */
export async function startStores(options: StoresOptions): Promise<Stores> {
  const { dataDir, toolsFolder, say } = options;
  const stops: (() => Promise<void>)[] = [];
  const endings: Promise<string>[] = [];
  async function stop(): Promise<void> {
    for (let last = stops.pop(); last !== undefined; last = stops.pop()) await last();
  }
  try {
    let { redisUrl, databaseUrl, workerDatabaseUrl, databaseAdminUrl } = options;
    if (redisUrl === undefined) {
      say('starting Redis ...');
      const redis = await startRedis({ dataDir: join(dataDir, 'redis'), toolsFolder, say });
      stops.push(redis.stop);
      endings.push(redis.ended);
      redisUrl = redis.url;
    }
    if (databaseUrl === undefined) {
      say('starting Postgres ...');
      const server = await startPostgres({ dataDir: join(dataDir, 'postgres'), say });
      stops.push(server.stop);
      endings.push(server.ended);
      databaseUrl = server.url;
      workerDatabaseUrl = server.workerUrl;
      databaseAdminUrl = server.adminUrl;
    }
    const adminUrl = databaseAdminUrl ?? databaseUrl;
    say('migrating the database ...');
    await migrate(adminUrl, { workerRole: workerDatabaseUrl && roleOf(workerDatabaseUrl) });
    await seed(adminUrl);
    await seedDevelopmentKey(adminUrl);
    await setClock(adminUrl, options.speed);
    return {
      ...{ redisUrl, databaseUrl, workerDatabaseUrl: workerDatabaseUrl ?? databaseUrl },
      ended: Promise.race(endings),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
