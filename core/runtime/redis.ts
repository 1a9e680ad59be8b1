import { Redis, type RedisOptions } from 'ioredis';
import type { Log } from './log.ts';
import type { Stoppable } from './stop.ts';

/** A call to the meter that has no answer by then fails; the session goes on without it. */
const COMMAND_TIMEOUT_MS = 2_000;
/** A connection that owes an answer this long is taken for dead and made anew. */
const SOCKET_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT_STEP_MS = 100;
const RECONNECT_MAX_MS = 1_000;
/** How often a subscriber asks whether its quiet connection is still one. */
const SUBSCRIBER_PING_MS = 5_000;

export interface ConnectOptions {
  log: Log;
  /** Shown by CLIENT LIST. */
  name?: string;
}

function open(
  url: string,
  { log, name }: ConnectOptions,
  options: Omit<RedisOptions, 'replyMapping'>,
): Redis {
  const redis = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (times: number) => Math.min(times * RECONNECT_STEP_MS, RECONNECT_MAX_MS),
    ...(name === undefined ? {} : { connectionName: name }),
    ...options,
  });
  let told = false;
  // Once an outage, not once an attempt.
  redis.on('error', (error: Error) => {
    if (!told) log.error({ err: error, connection: name }, 'the connection to Redis failed');
    told = true;
  });
  redis.on('ready', () => {
    if (told) log.info({ connection: name }, 'the connection to Redis is back');
    told = false;
  });
  return redis;
}

async function close(redis: Redis): Promise<void> {
  if (redis.status === 'end') return;
  // QUIT waits for what is under way, and is refused when there is no connection to end.
  await redis.quit().catch(() => redis.disconnect());
}

async function readRunId(redis: Redis): Promise<string | null> {
  return /^run_id:(\w+)/m.exec(await redis.info('server'))?.[1] ?? null;
}

/** The connection for scripts that count: it never sends a command twice and never waits. */
export interface MeterConnection extends Stoppable {
  redis: Redis;
  /**
   * The life of the server behind this very connection (rule 21 in core/meter/README.md), or null
   * while there is no connection or it has not been read yet: ask nothing of the meter then.
   */
  runId(): string | null;
  /** Calls back with each new run id, also with the same one after a reconnection. */
  onRunId(listener: (runId: string) => void): () => void;
  /** Resolves once the run id is known; rejects after `timeoutMs`. */
  ready(timeoutMs?: number): Promise<void>;
}

/**
 * ioredis by default resends a command whose answer was lost, which counts twice. Here a lost
 * connection rejects what was under way, and a call without a connection fails at once.
 */
export function connectMeter(url: string, options: ConnectOptions): MeterConnection {
  const redis = open(url, options, {
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
  });
  const listeners = new Set<(runId: string) => void>();
  let current: string | null = null;
  let connection = 0;

  redis.on('close', () => {
    current = null;
    connection += 1;
  });
  redis.on('ready', () => {
    const asked = connection;
    readRunId(redis).then(
      (runId) => {
        // An answer of an earlier connection says nothing of this one.
        if (asked !== connection || runId === null) return;
        current = runId;
        for (const listener of listeners) listener(runId);
      },
      () => {
        // Without a run id the connection is of no use: have another one.
        if (asked === connection) redis.disconnect(true);
      },
    );
  });

  return {
    redis,
    runId: () => current,
    onRunId(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ready(timeoutMs = 10_000) {
      return new Promise((resolve, reject) => {
        if (current !== null) return resolve();
        const timer = setTimeout(() => {
          listeners.delete(known);
          const { hostname, port } = new URL(url);
          const where = `${hostname}:${port || 6379}`;
          reject(new Error(`Redis at ${where} did not answer in ${timeoutMs} ms: is it running?`));
        }, timeoutMs);
        function known() {
          clearTimeout(timer);
          listeners.delete(known);
          resolve();
        }
        listeners.add(known);
      });
    },
    stop: () => close(redis),
  };
}

/** For BullMQ workers, which block for a job and must outlast any outage. */
export function connectQueue(url: string, options: ConnectOptions): Stoppable & { redis: Redis } {
  const redis = open(url, options, { maxRetriesPerRequest: null });
  return { redis, stop: () => close(redis) };
}

/** For BullMQ producers: what can't be queued now fails now; the sweeps find it later. */
export function connectProducer(
  url: string,
  options: ConnectOptions,
): Stoppable & { redis: Redis } {
  const redis = open(url, options, {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
  });
  return { redis, stop: () => close(redis) };
}

/**
 * For pub/sub. Subscriptions come back by themselves after an outage, what was published meanwhile
 * does not. A quiet connection is asked now and then, lest a half-open one stays deaf for good.
 */
export function connectSubscriber(
  url: string,
  options: ConnectOptions,
): Stoppable & { redis: Redis } {
  const redis = open(url, options, {
    maxRetriesPerRequest: null,
    socketTimeout: SOCKET_TIMEOUT_MS,
  });
  const timer = setInterval(() => {
    if (redis.status === 'ready') redis.ping().catch(() => {});
  }, SUBSCRIBER_PING_MS);
  timer.unref();
  return {
    redis,
    async stop() {
      clearInterval(timer);
      await close(redis);
    },
  };
}
