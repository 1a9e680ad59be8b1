/** How connections to Redis are made, whatever they are for, and how they end. */
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Log } from './log.ts';
import { addressesOf, namesCluster } from './redis-address.ts';

/** A call that has no answer by then fails; whoever asked goes on without it. */
export const COMMAND_TIMEOUT_MS = 2_000;
/** A connection that owes an answer this long is taken for dead and made anew. */
export const SOCKET_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT_STEP_MS = 100;
const RECONNECT_MAX_MS = 1_000;

export interface ConnectOptions {
  log: Log;
  /** Shown by CLIENT LIST. */
  name?: string;
}

type Options = Omit<RedisOptions, 'replyMapping'>;

const retryStrategy = (times: number) => Math.min(times * RECONNECT_STEP_MS, RECONNECT_MAX_MS);

export function openServer(url: string, how: ConnectOptions, options: Options): Redis {
  const redis = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy,
    ...(how.name === undefined ? {} : { connectionName: how.name }),
    ...options,
  });
  tellOutages(redis, how);
  return redis;
}

/** One server or, where the address names several, ioredis' own client of a cluster. */
export function open(url: string, how: ConnectOptions, options: Options): Redis | Cluster {
  if (!namesCluster(url)) return openServer(url, how, options);
  const addresses = addressesOf(url);
  const { protocol, username, password } = new URL(addresses[0]!);
  const { enableOfflineQueue, ...redisOptions } = options;
  const cluster = new Cluster(addresses, {
    clusterRetryStrategy: retryStrategy,
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
    redisOptions: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...(how.name === undefined ? {} : { connectionName: how.name }),
      // Those of the servers that are found later, too.
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
      ...redisOptions,
    },
  });
  tellOutages(cluster, how);
  return cluster;
}

/** Once an outage, not once an attempt. */
function tellOutages(redis: Redis | Cluster, { log, name }: ConnectOptions): void {
  let told = false;
  redis.on('error', (error: Error) => {
    if (!told) log.error({ err: error, connection: name }, 'the connection to Redis failed');
    told = true;
  });
  redis.on('ready', () => {
    if (told) log.info({ connection: name }, 'the connection to Redis is back');
    told = false;
  });
}

export async function close(redis: Redis | Cluster): Promise<void> {
  if (redis.status === 'end') return;
  // QUIT waits for what is under way, and is refused when there is no connection to end.
  await redis.quit().catch(() => redis.disconnect());
}
