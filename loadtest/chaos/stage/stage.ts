/**
 * The whole product, real processes on real stores, with a hop of its own before everything that
 * speaks to something: recorders to each gateway, each process to Redis and to Postgres.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '../../../drizzle/migrate.ts';
import { anyFreePort } from '../../../local/port.ts';
import { MAINS } from '../../../local/processes.ts';
import { type ClockShim, makeClockShim, type SteppedClock } from './clock-shim.ts';
import { type Hop, startHop } from './hop.ts';
import { openPostgresSite, type PostgresSite } from './postgres-site.ts';
import { openProcessSite, type ProcessSite } from './process-site.ts';
import { openRedisSite, type RedisSite } from './redis-site.ts';

export interface Actor extends ProcessSite {
  toRedis: Hop;
  toPostgres: Hop;
  /** null where clocks can't be stepped on this machine */
  clock: SteppedClock | null;
}

export interface GatewayActor extends Actor {
  /** recorders and backends come through it */
  door: Hop;
  /** ws, through the door */
  url: string;
}

export interface Stage {
  gateways: GatewayActor[];
  workers: Actor[];
  redis: RedisSite;
  redisClock: SteppedClock | null;
  postgres: PostgresSite;
  logsFolder: string;
  /** ends that nobody asked for, and starts that failed */
  incidents: string[];
  /** All hops that lead to Redis lead there now. */
  leadToRedis(): void;
  stop(): Promise<void>;
}

export interface StageOptions {
  folder: string;
  gateways: number;
  workers: number;
  intervalMs: number;
  timeoutMs: number;
  resumeWindowMs: number;
  apiKey: string;
  env: NodeJS.ProcessEnv;
  isKept: boolean;
  say(line: string): void;
}

/** How often what nobody named is looked for: faults make a lot of it, and a round waits for the end. */
const SWEEP_MS = 1_000;

/** All or nothing. @throws Error that says which part did not start, with its last words */
export async function openStage(options: StageOptions): Promise<Stage> {
  const { folder, env, say } = options;
  mkdirSync(folder, { recursive: true });
  const logsFolder = join(folder, 'logs');
  const incidents: string[] = [];
  const stops: (() => Promise<void>)[] = [
    async () => {
      if (options.isKept) say(`stores and logs are kept in ${folder}`);
      else rmSync(folder, { recursive: true, force: true });
    },
  ];
  async function stop(): Promise<void> {
    // What does not stop must not keep the rest running.
    for (let last = stops.pop(); last; last = stops.pop())
      await last().catch((e) => say(String(e)));
  }

  try {
    say('starting Redis and Postgres ...');
    const shim = await makeClockShim(join(folder, 'clocks'));
    if (shim === null) say('clocks are not stepped here: that needs Linux and a C compiler (cc)');
    const redisClock = shim?.clock('redis') ?? null;
    const redis = await openRedisSite(join(folder, 'redis'), redisClock);
    stops.push(redis.stop);
    const postgres = await openPostgresSite(join(folder, 'postgres'));
    stops.push(postgres.stop);
    await migrate(postgres.adminUrl, { workerRole: new URL(postgres.workerUrl).username });

    const common = {
      ...env,
      ...{ DEVELOPMENT: '1', HOST: '127.0.0.1', LOG_LEVEL: env.LOG_LEVEL || 'info' },
      TICK_INTERVAL_MS: String(options.intervalMs),
      BEAT_TIMEOUT_MS: String(options.timeoutMs),
      RESUME_WINDOW_MS: String(options.resumeWindowMs),
      ...{ SESSION_SWEEP_MS: String(SWEEP_MS), UNSETTLED_SWEEP_MS: String(SWEEP_MS) },
    };
    const actor = async (
      name: string,
      args: readonly string[],
      ports: Record<string, number>,
      url: string,
    ): Promise<Actor> => {
      say(`starting ${name} ...`);
      const toRedis = await startHop(`${name} to Redis`, redis.port());
      const toPostgres = await startHop(`${name} to Postgres`, postgres.port);
      stops.push(toRedis.stop, toPostgres.stop);
      const clock = clockOf(shim, name);
      const databaseUrl = new URL(url);
      databaseUrl.port = String(toPostgres.port);
      const site = await openProcessSite(
        {
          ...{ name, args, logsFolder, healthPorts: Object.values(ports) },
          env: {
            ...common,
            ...Object.fromEntries(Object.entries(ports).map(([key, it]) => [key, String(it)])),
            ...{ REDIS_URL: `redis://127.0.0.1:${toRedis.port}`, DATABASE_URL: databaseUrl.href },
            ...{ GATEWAY_NAME: name, WORKER_NAME: name, ...clock?.env },
          },
        },
        (sentence) => incidents.push(sentence),
      );
      stops.push(site.stop);
      return { ...site, toRedis, toPostgres, clock };
    };

    const workers: Actor[] = [];
    for (let number = 1; number <= options.workers; number++) {
      const ports = { OPERATIONS_PORT: await anyFreePort() };
      workers.push(await actor(`worker-${number}`, MAINS.worker, ports, postgres.workerUrl));
    }
    const gateways: GatewayActor[] = [];
    for (let number = 1; number <= options.gateways; number++) {
      const ports = { PORT: await anyFreePort(), OPERATIONS_PORT: await anyFreePort() };
      const name = `gateway-${number}`;
      const door = await startHop(`recorders to ${name}`, ports.PORT);
      stops.push(door.stop);
      const url = `ws://127.0.0.1:${door.port}`;
      const it = await actor(name, MAINS.gateway, ports, postgres.url);
      gateways.push({ ...it, door, url });
    }
    return {
      ...{ gateways, workers, redis, redisClock, postgres, logsFolder, incidents, stop },
      leadToRedis() {
        for (const { toRedis } of [...gateways, ...workers]) toRedis.lead(redis.port());
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const clockOf = (shim: ClockShim | null, name: string): SteppedClock | null =>
  shim?.clock(name) ?? null;
