/** A cluster of Redis servers on 127.0.0.1, for tests and the load test. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { nextFreePort, portIsFree } from './port.ts';
import { type RunningRedis, startRedis } from './redis.ts';

const SLOTS = 16_384;
export const PRIMARIES = 3;
/** Where the search for ports begins, somewhere else each time: test files run side by side. */
const FIRST_PORT = 11_000;
const PORT_SPREAD = 8_000;
/** Redis adds this to a server's port for what the servers tell each other. */
const BUS_PORT_OFFSET = 10_000;
const PORT_TRIES = 5;
/** So long a server may be silent before it is taken for gone: short, so that tests do not wait. */
const NODE_TIMEOUT_MS = 1_500;
const PATIENCE_MS = 30_000;
const POLL_MS = 50;

const SETTINGS = {
  'cluster-enabled': 'yes',
  'cluster-node-timeout': String(NODE_TIMEOUT_MS),
  // Shards of the servers that are there go on.
  'cluster-require-full-coverage': 'no',
  'cluster-replica-validity-factor': '0',
  'repl-diskless-sync-delay': '0',
};

export interface ClusterServer extends RunningRedis {
  /** as the cluster knows it, for good */
  id: string;
  port: number;
  dataDir: string;
  /** slots it was given, first and last; null: a replica */
  slots: [first: number, last: number] | null;
}

export interface RunningCluster {
  /** as REDIS_URL names a cluster */
  url: string;
  /** primaries in the order of their slots, then a replica of each if there are any */
  servers: ClusterServer[];
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** where each server has a folder of its own */
  folder: string;
  /** one for each primary */
  hasReplicas?: boolean;
}

/** `port`: a free one when left out. With a folder that was a server's, it is that server again. */
export async function startClusterServer(dataDir: string, port?: number) {
  for (let tries = 1; ; tries++) {
    const chosen = port ?? (await freePort());
    try {
      const redis = await startRedis({ dataDir, port: chosen, settings: SETTINGS });
      return { ...redis, port: chosen, dataDir };
    } catch (error) {
      if (port !== undefined || tries === PORT_TRIES) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  for (;;) {
    const from = FIRST_PORT + Math.floor(Math.random() * PORT_SPREAD);
    const port = await nextFreePort(from, new Set());
    if (await portIsFree(port + BUS_PORT_OFFSET)) return port;
  }
}

/** Asks one server of a cluster, on a connection of its own. */
export async function ask<Answer>(
  { url }: { url: string },
  question: (redis: Redis) => Promise<unknown>,
): Promise<Answer> {
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  redis.on('error', () => {});
  try {
    return (await question(redis)) as Answer;
  } finally {
    redis.disconnect();
  }
}

/** Asks until all of them say so; who cannot be asked has not said so. `what`: if they never do. */
export async function untilAll(
  servers: ClusterServer[],
  what: string,
  isSo: (server: ClusterServer) => Promise<boolean>,
): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const answers = await Promise.all(servers.map((it) => isSo(it).catch(() => false)));
    if (answers.every((answer) => answer)) return;
    if (performance.now() > end) throw new Error(`The Redis cluster: ${what} in time.`);
    await sleep(POLL_MS);
  }
}

/** Resolves when every slot is served, as these servers see it. */
export function untilWhole(servers: ClusterServer[]): Promise<void> {
  return untilAll(servers, 'it did not serve every slot', async (server) => {
    const info = await ask<string>(server, (redis) => redis.cluster('INFO'));
    return info.includes('cluster_state:ok') && info.includes(`cluster_slots_ok:${SLOTS}`);
  });
}

export async function addServer(
  folder: string,
  slots: ClusterServer['slots'],
): Promise<ClusterServer> {
  const started = await startClusterServer(folder);
  const id = await ask<string>(started, (redis) => redis.cluster('MYID'));
  if (slots) {
    const [first, last] = slots;
    const all = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    await ask(started, (redis) => redis.cluster('ADDSLOTS', all));
  }
  return { ...started, id, slots };
}

export async function meet(server: ClusterServer, other: ClusterServer): Promise<void> {
  await ask(server, (redis) => redis.cluster('MEET', '127.0.0.1', other.port));
}

const isFollowing = (info: string) => info.includes('master_link_status:up');

async function form(servers: ClusterServer[]): Promise<void> {
  for (const server of servers.slice(1)) await meet(server, servers[0]!);
  await untilAll(servers, 'its servers did not meet', async (server) => {
    const nodes = await ask<string>(server, (redis) => redis.cluster('NODES'));
    const lines = nodes.trim().split('\n');
    return lines.length === servers.length && !/handshake|noaddr/.test(nodes);
  });
  for (const [i, replica] of servers.slice(PRIMARIES).entries()) {
    await ask(replica, (redis) => redis.cluster('REPLICATE', servers[i]!.id));
  }
  // Else nobody would vote for one of them yet.
  await untilAll(servers, 'its replicas were not known', async (server) => {
    const nodes = await ask<string>(server, (redis) => redis.cluster('NODES'));
    const info = await ask<string>(server, (redis) => redis.info('replication'));
    const replicas = nodes.match(/\bslave\b/g)?.length ?? 0;
    return replicas === servers.length - PRIMARIES && (server.slots !== null || isFollowing(info));
  });
  await untilWhole(servers);
}

/** Starts it, and answers once every slot is served. */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const servers: ClusterServer[] = [];
  async function stop(): Promise<void> {
    await Promise.all(servers.map((server) => server.stop()));
  }
  try {
    const share = Math.ceil(SLOTS / PRIMARIES);
    for (let i = 0; i < (options.hasReplicas ? 2 : 1) * PRIMARIES; i++) {
      const slots: ClusterServer['slots'] =
        i < PRIMARIES ? [i * share, Math.min((i + 1) * share, SLOTS) - 1] : null;
      servers.push(await addServer(join(options.folder, `server-${i + 1}`), slots));
    }
    await form(servers);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: servers.map((server) => server.url).join(','), servers, stop };
}
