/**
 * The whole product for one run: its own Redis and Postgres with fresh data, gateways and a worker as
 * processes, started the way `npm start` starts them.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '../../drizzle/migrate.ts';
import { localFolder } from '../../local/places.ts';
import { anyFreePort } from '../../local/port.ts';
import { startPostgres } from '../../local/postgres.ts';
import { processIdentity } from '../../local/process-identity.mjs';
import { MAINS, startProcess } from '../../local/processes.ts';
import { startRedis } from '../../local/redis.ts';
import { startCluster } from '../../local/redis-cluster.ts';
import { seedDevelopmentKey } from '../../local/seed.ts';
import { diskShortage } from '../../local/trouble.ts';
import type { Product } from './product.ts';

export interface OwnProductOptions {
  gateways: number;
  intervalMs: number;
  isCluster: boolean;
  apiKey: string;
  isKept: boolean;
  env: NodeJS.ProcessEnv;
  /** of a gateway alone, from 1; left out: all have the same */
  gatewayEnv?(number: number): NodeJS.ProcessEnv;
  /** for Node, before the main file of each gateway */
  gatewayArguments?: readonly string[];
  say(line: string): void;
}

/** A folder of this run's own; what a killed run left, and its watchdog has ended since, goes. */
function makeDataFolder(isKept: boolean): string {
  for (const name of readdirSync(localFolder())) {
    const pid = /^loadtest-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && processIdentity(Number(pid)) === null) {
      rmSync(join(localFolder(), name), { recursive: true, force: true });
    }
  }
  const folder = join(localFolder(), `loadtest-${process.pid}${isKept ? '-kept' : ''}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** One Redis, or a cluster of it. */
async function startStore(folder: string, { isCluster, say }: OwnProductOptions) {
  if (!isCluster) {
    const redis = await startRedis({ dataDir: folder, say });
    return { ...redis, pids: [['redis', redis.pid]] as const };
  }
  const cluster = await startCluster({ folder, hasReplicas: true });
  const pids = cluster.servers.map(({ pid }, i) => [`redis-${i + 1}`, pid] as const);
  return { ...cluster, pids };
}

/** All or nothing. @throws Error that says which part did not start, with its last words */
export async function startOwnProduct(options: OwnProductOptions): Promise<Product> {
  const { env, say } = options;
  mkdirSync(localFolder(), { recursive: true });
  const dataDir = makeDataFolder(options.isKept);
  const shortage = diskShortage(dataDir);
  if (shortage !== null) throw new Error(shortage);
  const incidents: string[] = [];
  const pids = new Map<string, number>();
  const stops: (() => Promise<void>)[] = [
    async () => {
      if (options.isKept) say(`stores and logs are kept in ${dataDir}`);
      else rmSync(dataDir, { recursive: true, force: true });
    },
  ];
  async function stop(): Promise<void> {
    for (let last = stops.pop(); last !== undefined; last = stops.pop()) await last();
  }

  try {
    say('starting Redis and Postgres ...');
    const redis = await startStore(join(dataDir, 'redis'), options);
    stops.push(redis.stop);
    for (const [name, pid] of redis.pids) pids.set(name, pid);
    const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres'), say });
    stops.push(postgres.stop);
    pids.set('postgres', postgres.pid);
    await migrate(postgres.adminUrl);
    await seedDevelopmentKey(postgres.adminUrl);

    const common = {
      ...env,
      REDIS_URL: redis.url,
      DATABASE_URL: postgres.url,
      DEVELOPMENT: '1',
      HOST: '127.0.0.1',
      LOG_LEVEL: env.LOG_LEVEL || 'info',
      TICK_INTERVAL_MS: String(options.intervalMs),
    };
    async function start(
      name: string,
      args: readonly string[],
      ports: Record<string, number>,
      own: NodeJS.ProcessEnv = {},
    ) {
      say(`starting ${name} ...`);
      const portEnv = Object.entries(ports).map(([key, port]) => [key, String(port)]);
      const running = await startProcess({
        ...{ name, args, logsFolder: join(dataDir, 'logs'), say: (line) => incidents.push(line) },
        env: { ...common, ...own, ...Object.fromEntries(portEnv), GATEWAY_NAME: name },
        healthPorts: Object.values(ports),
        onHopeless: (sentence) => incidents.push(sentence),
      });
      stops.push(running.stop);
      pids.set(name, running.pid());
    }

    await start('worker', MAINS.worker, { OPERATIONS_PORT: await anyFreePort() });
    const urls: string[] = [];
    const operationsUrls: string[] = [];
    const gatewayArguments = [...(options.gatewayArguments ?? []), ...MAINS.gateway];
    for (let number = 1; number <= options.gateways; number++) {
      const ports = { PORT: await anyFreePort(), OPERATIONS_PORT: await anyFreePort() };
      await start(`gateway-${number}`, gatewayArguments, ports, options.gatewayEnv?.(number));
      operationsUrls.push(`http://127.0.0.1:${ports.OPERATIONS_PORT}`);
      urls.push(`ws://127.0.0.1:${ports.PORT}`);
    }
    const { apiKey } = options;
    return {
      urls,
      operationsUrls,
      apiKey,
      redisUrl: redis.url,
      databaseUrl: postgres.url,
      pids,
      incidents,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
