import type { Redis } from 'ioredis';
import { placesOf } from './redis-address.ts';
import {
  COMMAND_TIMEOUT_MS,
  type ConnectOptions,
  close,
  openServer,
  SOCKET_TIMEOUT_MS,
} from './redis-open.ts';
import type { Stoppable } from './stop.ts';

/** One server, for scripts that count: a command is never sent twice and never waits. */
export interface MeterServer extends Stoppable {
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

/** Where the meter's scripts run: one server, or the servers of a cluster. */
export interface MeterConnection extends Stoppable {
  /** a script may then speak of keys of one slot only */
  isCluster: boolean;
  /** Who has this key, as far as is known; null: nobody who can be asked now. */
  serverOf(key: string): MeterServer | null;
  /** For a single command on a key. Throws where nobody can be asked. */
  redisOf(key: string): Redis;
  /** Who the meter's keys are spread over. */
  servers(): MeterServer[];
  /** A server could not be asked, or said that a key is elsewhere. */
  lookAgain(): void;
  /**
   * Calls back with each new run id, also with the same one after a reconnection or, on a cluster,
   * where keys have moved.
   */
  onRunId(listener: (runId: string) => void): () => void;
  /** Resolves once scripts can be run; rejects after `timeoutMs`. */
  ready(timeoutMs?: number): Promise<void>;
}

export const READY_PATIENCE_MS = 10_000;

async function readRunId(redis: Redis): Promise<string | null> {
  return /^run_id:(\w+)/m.exec(await redis.info('server'))?.[1] ?? null;
}

/**
 * ioredis by default resends a command whose answer was lost, which counts twice. Here a lost
 * connection rejects what was under way, and a call without a connection fails at once.
 */
export function connectServer(url: string, options: ConnectOptions): MeterServer {
  const redis = openServer(url, options, {
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
    ready(timeoutMs = READY_PATIENCE_MS) {
      return new Promise((resolve, reject) => {
        if (current !== null) return resolve();
        const timer = setTimeout(() => {
          listeners.delete(known);
          reject(
            new Error(
              `Redis at ${placesOf(url)} did not answer in ${timeoutMs} ms: is it running?`,
            ),
          );
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
