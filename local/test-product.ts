import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { inject } from 'vitest';
import { connect } from '../drizzle/client.ts';
import { setSpeed } from '../drizzle/queries/clock.ts';
import { meterClock } from '../drizzle/schema/operations.ts';
import { nextFreePort } from './port.ts';
import { MAINS, startProcess } from './processes.ts';
import { seedDevelopmentKey } from './seed.ts';
import type { Supervised } from './supervise.ts';
import { createDurableDatabase, createTestDatabase } from './test-database.ts';
import { startTestRedis, type TestRedis } from './test-redis.ts';

/** Test files run side by side: each begins its search for ports somewhere else. */
const FIRST_PORT = 20_000;
/** Below what the system hands out to anybody: a port there may be taken before it is listened on. */
const PORT_SPREAD = 12_000;

export interface TestGateway {
  name: string;
  port: number;
  url: string;
  connectUrl: string;
  operationsUrl: string;
  pid(): number;
  stop(): Promise<void>;
}

export interface TestProduct {
  gateways: TestGateway[];
  gatewayUrls: string[];
  redisUrl: string;
  /** Ends its Redis and starts another one at the same address, with whatever `between` left. */
  restartRedis(between?: (dataDir: string) => Promise<void>): Promise<void>;
  /** Of the worker, which sees everything. */
  databaseUrl: string;
  adminUrl: string;
  apiKey: string;
  worker: Supervised;
  /** One more gateway on the same stores. */
  addGateway(env?: Record<string, string>): Promise<TestGateway>;
  /** Asks the API of the first gateway; throws, with the answer, unless it is 2xx. */
  api<Answer>(method: string, path: string, body?: unknown): Promise<Answer>;
  stop(): Promise<void>;
}

export interface TestProductOptions {
  speed?: number;
  /** epoch ms that the test clock shows at the start; left out: the wall's */
  meterAt?: number;
  intervalMs?: number;
  gateways?: number;
  env?: Record<string, string>;
  /** started without `DEVELOPMENT`, on a Postgres of its own that keeps what it commits */
  production?: boolean;
  /** a Redis or a cluster that the test looks after; left out: one of the product's own */
  redisUrl?: string;
}

/** The whole product for one test file: its own Redis and database, real processes, real sockets. */
export async function startTestProduct(options: TestProductOptions = {}): Promise<TestProduct> {
  const database = await (options.production ? createDurableDatabase() : createTestDatabase());
  let redis: TestRedis | null = options.redisUrl ? null : await startTestRedis();
  const redisUrl = options.redisUrl ?? redis!.url;
  const stops: (() => Promise<void>)[] = [() => database.drop(), async () => redis?.stop()];
  const logsFolder = join(inject('runFolder'), `logs-${randomBytes(4).toString('hex')}`);
  const apiKey = 'dev-key';
  const taken = new Set<number>();
  let counter = 0;

  async function freePort(): Promise<number> {
    const from = FIRST_PORT + Math.floor(Math.random() * PORT_SPREAD);
    const port = await nextFreePort(from, taken);
    taken.add(port);
    return port;
  }

  if (!options.production) await seedDevelopmentKey(database.adminUrl);
  if (options.speed !== undefined) {
    const admin = connect(database.adminUrl, { scope: 'installation' });
    await admin.db.transaction((tx) => setSpeed(tx, options.speed!, Date.now()));
    await admin.stop();
  }
  if (options.meterAt !== undefined) {
    const base = { meterBaseAt: options.meterAt, realBaseAt: Date.now() };
    const admin = connect(database.adminUrl, { scope: 'installation' });
    await admin.db.transaction((tx) => tx.update(meterClock).set(base));
    await admin.stop();
  }

  async function start(name: string, args: readonly string[], env: Record<string, string>) {
    return startProcess({
      name,
      args,
      env: {
        ...process.env,
        REDIS_URL: redisUrl,
        DATABASE_URL: args === MAINS.worker ? database.url : database.gatewayUrl,
        DEVELOPMENT: options.production ? '0' : '1',
        HOST: '127.0.0.1',
        GATEWAY_NAME: name,
        LOG_LEVEL: 'info',
        ...(options.intervalMs && { TICK_INTERVAL_MS: String(options.intervalMs) }),
        ...options.env,
        ...env,
      },
      logsFolder,
      healthPorts: [Number(env.OPERATIONS_PORT)],
      say: () => {},
      onHopeless: (sentence) => console.error(sentence),
    });
  }

  async function addGateway(env: Record<string, string> = {}): Promise<TestGateway> {
    counter += 1;
    const name = `gateway-${counter}`;
    const port = await freePort();
    const operationsPort = await freePort();
    const ports = { PORT: String(port), OPERATIONS_PORT: String(operationsPort) };
    const running = await start(name, MAINS.gateway, { ...ports, ...env });
    const gateway: TestGateway = {
      name,
      port,
      url: `http://127.0.0.1:${port}`,
      connectUrl: `ws://127.0.0.1:${port}/v1/connect`,
      operationsUrl: `http://127.0.0.1:${operationsPort}`,
      pid: running.pid,
      stop: running.stop,
    };
    stops.push(running.stop);
    return gateway;
  }

  try {
    const worker = await start('worker', MAINS.worker, {
      OPERATIONS_PORT: String(await freePort()),
    });
    stops.push(worker.stop);
    const gateways: TestGateway[] = [];
    for (let i = 0; i < (options.gateways ?? 1); i++) gateways.push(await addGateway());
    return {
      gateways,
      gatewayUrls: gateways.map(({ url }) => url),
      redisUrl,
      async restartRedis(between) {
        if (!redis) throw new Error("This Redis is not the product's own.");
        const { dataDir, port } = redis;
        await redis.stop();
        await between?.(dataDir);
        redis = await startTestRedis({ dataDir, port });
      },
      databaseUrl: database.url,
      adminUrl: database.adminUrl,
      apiKey,
      worker,
      addGateway,
      async api<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
        const response = await fetch(`${gateways[0]!.url}${path}`, {
          method,
          headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
        return (text ? JSON.parse(text) : null) as Answer;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }

  async function stop(): Promise<void> {
    for (const last of stops.reverse()) await last();
  }
}
