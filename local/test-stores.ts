import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { localFolder } from './places.ts';
import { startPostgres } from './postgres.ts';
import { processIdentity } from './process-identity.mjs';
import { startRedis } from './redis.ts';
import { startCluster as startRedisCluster } from './redis-cluster.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Shared by the whole run: take keys of your own, or a Redis of your own. */
    redisUrl: string;
    /** A cluster of three primaries, shared like the Redis. */
    clusterUrl: string;
    /** The owner role. Test files take a database of their own: `createTestDatabase()`. */
    postgresAdminUrl: string;
    /** The role of workers on the same server, which sees everything. */
    postgresUrl: string;
    /** The role of gateways. */
    postgresGatewayUrl: string;
    /** Folder of this run, removed at its end. */
    runFolder: string;
  }
}

const NO_STORES = {
  ...{ redisUrl: '', clusterUrl: '' },
  ...{ postgresAdminUrl: '', postgresUrl: '', postgresGatewayUrl: '' },
};

/** Removes folders of runs that were killed and whose servers the watchdog has ended since. */
function removeOldRuns(): void {
  for (const name of readdirSync(localFolder())) {
    const pid = /^test-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && processIdentity(Number(pid)) === null) {
      rmSync(join(localFolder(), name), { recursive: true, force: true });
    }
  }
}

/**
 * Vitest's global set-up: one Redis, one cluster of it and one Postgres for the run. `TEST_REDIS_URL`,
 * `TEST_REDIS_CLUSTER_URL` and `TEST_DATABASE_URL` name servers to use instead (never REDIS_URL:
 * tests empty what they use).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const runFolder = join(localFolder(), `test-${process.pid}`);
  mkdirSync(runFolder, { recursive: true });
  removeOldRuns();
  project.provide('runFolder', runFolder);
  const stops: (() => Promise<void>)[] = [];
  async function teardown(): Promise<void> {
    for (const stop of stops.reverse()) await stop();
    rmSync(runFolder, { recursive: true, force: true });
  }
  try {
    const urls = process.env.TAXIMETER_TEST_STORES === 'none' ? NO_STORES : await start();
    project.provide('redisUrl', urls.redisUrl);
    project.provide('clusterUrl', urls.clusterUrl);
    project.provide('postgresAdminUrl', urls.postgresAdminUrl);
    project.provide('postgresUrl', urls.postgresUrl);
    project.provide('postgresGatewayUrl', urls.postgresGatewayUrl);
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;

  async function start(): Promise<typeof NO_STORES> {
    const say = (line: string) => console.log(`taximeter: ${line}`);
    let redisUrl = process.env.TEST_REDIS_URL;
    if (redisUrl === undefined) {
      const redis = await startRedis({ dataDir: join(runFolder, 'redis'), say });
      stops.push(redis.stop);
      redisUrl = redis.url;
    }
    // It takes its servers a second to get to know each other: meanwhile Postgres starts.
    const [cluster, postgres] = await Promise.allSettled([startCluster(), startDatabase(say)]);
    if (cluster.status === 'rejected') throw cluster.reason;
    if (postgres.status === 'rejected') throw postgres.reason;
    return { redisUrl, clusterUrl: cluster.value, ...postgres.value };
  }

  async function startCluster(): Promise<string> {
    const given = process.env.TEST_REDIS_CLUSTER_URL;
    if (given !== undefined) return given;
    const cluster = await startRedisCluster({ folder: join(runFolder, 'cluster') });
    stops.push(cluster.stop);
    return cluster.url;
  }

  async function startDatabase(say: (line: string) => void) {
    const given = process.env.TEST_DATABASE_URL;
    if (given !== undefined) {
      return { postgresAdminUrl: given, postgresUrl: given, postgresGatewayUrl: given };
    }
    const dataDir = join(runFolder, 'postgres');
    const server = await startPostgres({ dataDir, durable: false, say });
    stops.push(server.stop);
    return {
      postgresAdminUrl: server.adminUrl,
      postgresUrl: server.workerUrl,
      postgresGatewayUrl: server.url,
    };
  }
}
