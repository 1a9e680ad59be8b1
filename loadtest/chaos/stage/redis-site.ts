/** The Redis of a stage: killed, emptied, put back to an earlier day, failed over to a replica that lags. */
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type RunningRedis, startRedis } from '../../../local/redis.ts';
import type { SteppedClock } from './clock-shim.ts';
import { type Hop, startHop } from './hop.ts';

export interface RedisSite {
  url(): string;
  port(): number;
  isUp(): boolean;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** As it was left, or with nothing. */
  start(): Promise<void>;
  empty(): Promise<void>;
  /** A copy of its data as of now, for `restore`. */
  backUp(): Promise<void>;
  /** Ends it and starts it with the copy. False: there is none. */
  restore(): Promise<boolean>;
  /**
   * A replica that has heard nothing for `lagMs` takes over. The old one, which knows better, runs on
   * until `retire` is called: whoever is still connected to it believes it.
   */
  failOver(lagMs: number): Promise<{ oldPort: number; retire(): Promise<void> }>;
  /** Asks it directly. Null where it can't be asked. */
  ask<Answer>(question: (redis: Redis) => Promise<Answer>): Promise<Answer | null>;
  stop(): Promise<void>;
}

const SYNC_PATIENCE_MS = 10_000;
const POLL_MS = 30;
const ASK_TIMEOUT_MS = 5_000;

export async function openRedisSite(
  folder: string,
  clock: SteppedClock | null,
): Promise<RedisSite> {
  let count = 1;
  let dataDir = join(folder, 'redis-1');
  const copy = join(folder, 'copy');
  let hasCopy = false;
  const env = clock?.env ?? {};
  const open = (dir: string, settings: Record<string, string>, port?: number) =>
    startRedis({ dataDir: dir, env, settings, ...(port !== undefined && { port }) });
  let running: RunningRedis | null = await open(dataDir, {});
  let port = Number(new URL(running.url).port);

  async function kill(): Promise<void> {
    const victim = running;
    if (victim === null) return;
    running = null;
    await end(victim);
  }

  async function end(victim: RunningRedis): Promise<void> {
    process.kill(victim.pid, 'SIGKILL');
    await victim.ended;
    await victim.stop();
  }

  async function start(): Promise<void> {
    running ??= await open(dataDir, {}, port);
  }

  async function ask<Answer>(
    question: (redis: Redis) => Promise<Answer>,
    of = port,
  ): Promise<Answer | null> {
    const redis = new Redis(`redis://127.0.0.1:${of}`, {
      ...{ retryStrategy: () => null, maxRetriesPerRequest: 0, commandTimeout: ASK_TIMEOUT_MS },
    });
    redis.on('error', () => {});
    try {
      return await question(redis);
    } catch {
      return null;
    } finally {
      redis.disconnect();
    }
  }

  async function follow(replicaPort: number): Promise<void> {
    const deadline = performance.now() + SYNC_PATIENCE_MS;
    for (;;) {
      const info = await ask((redis) => redis.info('replication'), replicaPort);
      if (info?.includes('master_link_status:up')) return;
      if (performance.now() > deadline) throw new Error('A replica did not follow in time.');
      await sleep(POLL_MS);
    }
  }

  /** Its link to the primary is a hop, so that it can be kept from hearing what happens. */
  async function startReplica(): Promise<{ replica: RunningRedis; dir: string; link: Hop }> {
    count += 1;
    const dir = join(folder, `redis-${count}`);
    const link = await startHop('replication', port);
    const replica = await open(dir, { replicaof: `127.0.0.1 ${link.port}` });
    await follow(Number(new URL(replica.url).port));
    return { replica, dir, link };
  }

  return {
    url: () => `redis://127.0.0.1:${port}`,
    port: () => port,
    isUp: () => running !== null,
    kill,
    freeze: () => running && process.kill(running.pid, 'SIGSTOP'),
    thaw: () => running && process.kill(running.pid, 'SIGCONT'),
    start,
    async empty() {
      await ask((redis) => redis.flushall());
    },
    async backUp() {
      await rm(copy, { recursive: true, force: true });
      await mkdir(copy, { recursive: true });
      // While it writes: what stands half in the file at its end is dropped as it is read again.
      await cp(join(dataDir, 'appendonlydir'), join(copy, 'appendonlydir'), { recursive: true });
      hasCopy = true;
    },
    async restore() {
      if (!hasCopy) return false;
      await kill();
      await rm(join(dataDir, 'appendonlydir'), { recursive: true, force: true });
      await cp(join(copy, 'appendonlydir'), join(dataDir, 'appendonlydir'), { recursive: true });
      await start();
      return true;
    },
    async failOver(lagMs) {
      const { replica, dir, link } = await startReplica();
      link.set('deaf');
      await sleep(lagMs);
      const old = running!;
      const oldPort = port;
      running = replica;
      dataDir = dir;
      port = Number(new URL(replica.url).port);
      hasCopy = false;
      await ask((redis) => redis.replicaof('NO', 'ONE'));
      await link.stop();
      return { oldPort, retire: () => end(old) };
    },
    ask,
    async stop() {
      if (running) process.kill(running.pid, 'SIGCONT');
      await running?.stop();
    },
  };
}
