/** Connections to Redis by what they are for. Each address may name one server or a cluster. */
import type { Cluster, Redis } from 'ioredis';
import { connectMeterCluster } from './meter-cluster.ts';
import { connectServer, type MeterConnection } from './meter-server.ts';
import { addressesOf, namesCluster } from './redis-address.ts';
import {
  COMMAND_TIMEOUT_MS,
  type ConnectOptions,
  close,
  open,
  SOCKET_TIMEOUT_MS,
} from './redis-open.ts';
import type { Stoppable } from './stop.ts';

/** How often a subscriber asks whether its quiet connection is still one. */
const SUBSCRIBER_PING_MS = 5_000;

export function connectMeter(url: string, options: ConnectOptions): MeterConnection {
  if (namesCluster(url)) return connectMeterCluster(addressesOf(url), options);
  const server = connectServer(url, options);
  return {
    isCluster: false,
    serverOf: () => server,
    redisOf: () => server.redis,
    servers: () => [server],
    lookAgain() {},
    onRunId: server.onRunId,
    ready: server.ready,
    stop: server.stop,
  };
}

interface OpenConnection extends Stoppable {
  redis: Redis | Cluster;
}

/** For BullMQ workers, which block for a job and must outlast any outage. */
export function connectQueue(url: string, options: ConnectOptions): OpenConnection {
  const redis = open(url, options, { maxRetriesPerRequest: null });
  return { redis, stop: () => close(redis) };
}

/** For BullMQ producers: what can't be queued now fails now; the sweeps find it later. */
export function connectProducer(url: string, options: ConnectOptions): OpenConnection {
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
 * On a cluster what any server is told goes to all, so one connection hears everything.
 */
export function connectSubscriber(url: string, options: ConnectOptions): OpenConnection {
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
