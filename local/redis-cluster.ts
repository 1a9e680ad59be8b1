/** A cluster of Redis servers on 127.0.0.1, for tests and the load test. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { nextFreePort, portIsFree } from './port.ts';
import { type RunningRedis, startRedis } from './redis.ts';

const SLOTS = 16_384;
const PRIMARIES = 3;
/** Where the search for ports begins, somewhere else each time: test files run side by side. */
const FIRST_PORT = 11_000;
const PORT_SPREAD = 8_000;
/** Redis adds this to a server's port for what the servers tell each other. */
const BUS_PORT_OFFSET = 10_000;
/** So long a server may be silent before it is taken for gone: short, so that tests do not wait. */
const NODE_TIMEOUT_MS = 1_500;
const FORM_PATIENCE_MS = 30_000;
const POLL_MS = 50;

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
  /** SIGKILL; answers when they are gone. */
  kill(...servers: ClusterServer[]): Promise<void>;
  /** Starts a server that was killed again, at its address; `empty`: without its data. */
  restart(server: ClusterServer, options?: { empty?: boolean }): Promise<void>;
  /** A new, empty server takes the slots of one that was killed, and the others forget that one. */
  replace(dead: ClusterServer): Promise<ClusterServer>;
  /** Resolves when every slot is served and all servers agree on who is there. */
  isWhole(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  folder: string;
  /** one for each primary */
  hasReplicas?: boolean;
}

async function startServer(dataDir: string, givenPort?: number) {
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-node-timeout': String(NODE_TIMEOUT_MS),
    // Shards of the servers that are there go on.
    'cluster-require-full-coverage': 'no',
    'cluster-replica-validity-factor': '0',
    'repl-diskless-sync-delay': '0',
  };
  for (let tries = 0; ; tries++) {
    const port = givenPort ?? (await freePort());
    try {
      return { ...(await startRedis({ dataDir, port, settings })), port, dataDir };
    } catch (error) {
      if (givenPort !== undefined || tries === 5) throw error;
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

/** Asks one server on a connection of its own. */
async function ask<Answer>(
  { url }: { url: string },
  question: (redis: Redis) => Promise<Answer>,
): Promise<Answer> {
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  redis.on('error', () => {});
  try {
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Starts it, and answers once every slot is served. */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const servers: ClusterServer[] = [];
  const living = () => servers.filter((it) => !ended.has(it.pid));
  const ended = new Set<number>();
  const count = options.hasReplicas ? 2 * PRIMARIES : PRIMARIES;
  let made = 0;

  async function add(slots: ClusterServer['slots']): Promise<ClusterServer> {
    made += 1;
    const started = await startServer(join(options.folder, `server-${made}`));
    const id = (await ask(started, (redis) => redis.cluster('MYID'))) as unknown as string;
    const server = { ...started, id, slots };
    void server.ended.then(() => ended.add(started.pid));
    servers.push(server);
    return server;
  }

  async function meet(server: ClusterServer): Promise<void> {
    const [other] = living().filter((it) => it !== server);
    if (!other) return;
    await ask(server, (redis) => redis.cluster('MEET', '127.0.0.1', other.port));
  }

  async function give({ slots, ...server }: ClusterServer): Promise<void> {
    if (slots) await ask(server, (redis) => redis.cluster('ADDSLOTS', range(...slots)));
  }

  async function until(what: string, isSo: (server: ClusterServer) => Promise<boolean>) {
    const end = performance.now() + FORM_PATIENCE_MS;
    for (;;) {
      const answers = await Promise.all(living().map((it) => isSo(it).catch(() => false)));
      if (answers.every((answer) => answer)) return;
      if (performance.now() > end) throw new Error(`The Redis cluster: ${what} in time.`);
      await sleep(POLL_MS);
    }
  }

  async function knows(server: ClusterServer, number: number): Promise<boolean> {
    const nodes = (await ask(server, (redis) => redis.cluster('NODES'))) as unknown as string;
    const lines = nodes.trim().split('\n');
    return lines.length === number && lines.every((line) => !/handshake|noaddr/.test(line));
  }

  async function isWhole(): Promise<void> {
    await until('it did not serve every slot', async (server) => {
      const info = (await ask(server, (redis) => redis.cluster('INFO'))) as unknown as string;
      return info.includes('cluster_state:ok') && info.includes(`cluster_slots_ok:${SLOTS}`);
    });
  }

  async function stop(): Promise<void> {
    await Promise.all(servers.map((server) => server.stop()));
  }

  try {
    const share = Math.ceil(SLOTS / PRIMARIES);
    const slotsOf = (i: number): ClusterServer['slots'] =>
      i < PRIMARIES ? [i * share, Math.min((i + 1) * share, SLOTS) - 1] : null;
    for (let i = 0; i < count; i++) await add(slotsOf(i));
    for (const server of servers) await give(server);
    for (const server of servers.slice(1)) await meet(server);
    await until('its servers did not meet', (server) => knows(server, count));
    for (const [i, server] of servers.slice(PRIMARIES).entries()) {
      await ask(server, (redis) => redis.cluster('REPLICATE', servers[i]!.id));
    }
    await isWhole();
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    url: servers.map((server) => server.url).join(','),
    servers,
    isWhole,
    stop,
    async kill(...killed) {
      for (const { pid } of killed) process.kill(pid, 'SIGKILL');
      await Promise.all(killed.map((server) => server.ended));
    },
    async restart(server, { empty = false } = {}) {
      await server.stop();
      if (empty) rmSync(join(server.dataDir, 'appendonlydir'), { recursive: true, force: true });
      const started = await startServer(server.dataDir, server.port);
      void started.ended.then(() => ended.add(started.pid));
      Object.assign(server, started);
    },
    async replace(dead) {
      await dead.stop();
      servers.splice(servers.indexOf(dead), 1);
      for (const server of living()) await ask(server, (it) => it.cluster('FORGET', dead.id));
      const server = await add(dead.slots);
      await give(server);
      await meet(server);
      return server;
    },
  };
}
