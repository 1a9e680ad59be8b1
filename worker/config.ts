/** A worker's configuration, from environment variables alone. */
import { z } from 'zod';
import {
  DEFAULT_INTERVAL_MS,
  DEFAULT_RESUME_WINDOW_MS,
  DEFAULT_TIMEOUT_MS,
} from '../core/protocol/limits.ts';
import {
  type Environment,
  flag,
  integer,
  port,
  positiveNumber,
  readEnv,
  url,
  urls,
} from '../core/runtime/env.ts';
import { LOG_LEVELS } from '../core/runtime/log.ts';
import { refuseShortWindow } from '../core/runtime/resume-window.ts';
import { refusePublishedPassword } from '../core/runtime/secrets.ts';
import { readPaymentSettings } from '../payments/settings.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const FASTEST = 1_000;

const shape = {
  REDIS_URL: urls('redis', 'rediss'),
  DATABASE_URL: url('postgres', 'postgresql'),
  OPERATIONS_PORT: port().default(8788),
  WORKER_NAME: z.string().default('worker'),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  DEVELOPMENT: flag().default(false),
  /** Meter seconds in a real one, for the test clock. Left as it is in the database when not set. */
  SPEED: positiveNumber(FASTEST).optional(),
  RESUME_WINDOW_MS: integer(1_000, HOUR_MS).default(DEFAULT_RESUME_WINDOW_MS),
  /** The gateways', for what the window is held against. */
  TICK_INTERVAL_MS: integer(100, HOUR_MS).default(DEFAULT_INTERVAL_MS),
  BEAT_TIMEOUT_MS: integer(100, HOUR_MS).default(DEFAULT_TIMEOUT_MS),
  MAX_PAUSE_MS: integer(1_000, 30 * DAY_MS).default(4 * HOUR_MS),
  UNSETTLED_SWEEP_MS: integer(100, HOUR_MS).default(3_000),
  SESSION_SWEEP_MS: integer(100, HOUR_MS).default(5_000),
  RECONCILE_MS: integer(100, HOUR_MS).default(30_000),
};

export type WorkerConfig = ReturnType<typeof readConfig>;

/** @throws ConfigurationError that lists all that is wrong */
export function readConfig(env: Environment) {
  const read = readEnv(shape, env);
  refusePublishedPassword(read.DATABASE_URL, read.DEVELOPMENT);
  const { RESUME_WINDOW_MS: resumeWindowMs } = read;
  const { TICK_INTERVAL_MS: intervalMs, BEAT_TIMEOUT_MS: timeoutMs } = read;
  refuseShortWindow({ resumeWindowMs, intervalMs, timeoutMs });
  return {
    redisUrl: read.REDIS_URL,
    databaseUrl: read.DATABASE_URL,
    operationsPort: read.OPERATIONS_PORT,
    name: read.WORKER_NAME,
    logLevel: read.LOG_LEVEL,
    development: read.DEVELOPMENT,
    speed: read.SPEED ?? null,
    resumeWindowMs,
    maxPauseMs: read.MAX_PAUSE_MS,
    unsettledSweepMs: read.UNSETTLED_SWEEP_MS,
    sessionSweepMs: read.SESSION_SWEEP_MS,
    reconcileMs: read.RECONCILE_MS,
    /** null: no key of Stripe is set */
    payments: readPaymentSettings(env),
  };
}
