/** A gateway's configuration, from environment variables alone. README.md lists them. */

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
  list,
  port,
  readEnv,
  url,
  urls,
} from '../core/runtime/env.ts';
import { LOG_LEVELS } from '../core/runtime/log.ts';
import { TRANSPORTS } from './transport/transport.ts';

const HOUR_MS = 3_600_000;
const MIN_SECRET_CHARACTERS = 32;
/** Known to everybody: only for development. */
const DEVELOPMENT_SECRET = 'taximeter-development-secret-not-for-production';

const shape = {
  REDIS_URL: urls('redis', 'rediss'),
  DATABASE_URL: url('postgres', 'postgresql'),
  HOST: z.string().default('0.0.0.0'),
  PORT: port().default(8787),
  TRANSPORT: z.enum(TRANSPORTS).default('ws'),
  OPERATIONS_PORT: port().default(8788),
  GATEWAY_NAME: z.string().default('gateway'),
  GATEWAY_PROCESSES: integer(1, 128).default(1),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  DEVELOPMENT: flag().default(false),
  ALLOWED_ORIGINS: list().default([]),
  TICK_INTERVAL_MS: integer(100, HOUR_MS).default(DEFAULT_INTERVAL_MS),
  BEAT_TIMEOUT_MS: integer(100, HOUR_MS).default(DEFAULT_TIMEOUT_MS),
  RESUME_WINDOW_MS: integer(1_000, HOUR_MS).default(DEFAULT_RESUME_WINDOW_MS),
  MAX_SOCKETS: integer(1, 1_000_000).default(50_000),
  MAX_SOCKETS_PER_ADDRESS: integer(1, 1_000_000).default(2_000),
  MAX_SOCKETS_PER_MEMBER: integer(1, 1_000_000).default(20),
  MAX_SOCKETS_PER_ORGANIZATION: integer(1, 10_000_000).default(10_000),
  API_REQUESTS_PER_SECOND: integer(1, 1_000_000).default(2_000),
  API_REQUESTS_BURST: integer(1, 1_000_000).default(4_000),
  TICKET_SECRETS: list().default([]),
  CHECKPOINT_SECRETS: list().default([]),
  PUBLIC_WS_URL: url('ws', 'wss').optional(),
  BUY_URL: z.string().optional(),
  UPGRADE_URL: z.string().optional(),
  DEMO_ORGANIZATION: z.string().default('demo'),
};

export type GatewayConfig = ReturnType<typeof readConfig>;

/** @throws ConfigurationError that lists all that is wrong */
export function readConfig(env: Environment) {
  const read = readEnv(shape, env);
  return {
    redisUrl: read.REDIS_URL,
    databaseUrl: read.DATABASE_URL,
    host: read.HOST,
    port: read.PORT,
    transport: read.TRANSPORT,
    operationsPort: read.OPERATIONS_PORT,
    name: read.GATEWAY_NAME,
    processes: read.GATEWAY_PROCESSES,
    logLevel: read.LOG_LEVEL,
    development: read.DEVELOPMENT,
    allowedOrigins: read.ALLOWED_ORIGINS,
    intervalMs: read.TICK_INTERVAL_MS,
    timeoutMs: read.BEAT_TIMEOUT_MS,
    resumeWindowMs: read.RESUME_WINDOW_MS,
    maxSockets: read.MAX_SOCKETS,
    maxSocketsPerAddress: read.MAX_SOCKETS_PER_ADDRESS,
    maxSocketsPerMember: read.MAX_SOCKETS_PER_MEMBER,
    maxSocketsPerOrganization: read.MAX_SOCKETS_PER_ORGANIZATION,
    apiRate: { perSecond: read.API_REQUESTS_PER_SECOND, burst: read.API_REQUESTS_BURST },
    ticketSecrets: secrets('TICKET_SECRETS', read.TICKET_SECRETS, read.DEVELOPMENT),
    checkpointSecrets: secrets('CHECKPOINT_SECRETS', read.CHECKPOINT_SECRETS, read.DEVELOPMENT),
    publicWsUrl: read.PUBLIC_WS_URL ?? null,
    links: { buyUrl: read.BUY_URL ?? null, upgradeUrl: read.UPGRADE_URL ?? null },
    demoOrganization: read.DEMO_ORGANIZATION,
  };
}

/** The first one signs, all of them verify: to rotate, put a new one first and drop the last later. */
function secrets(name: string, given: string[], development: boolean): [string, ...string[]] {
  const known = given.length === 0 && development ? [DEVELOPMENT_SECRET] : given;
  const [first, ...others] = known;
  if (first === undefined) {
    throw new Error(
      `${name} is not set: give one or more secrets of ${MIN_SECRET_CHARACTERS} characters or more, ` +
        'with commas between them, the present one first. (DEVELOPMENT=1 does without.)',
    );
  }
  for (const secret of known) {
    if (secret.length < MIN_SECRET_CHARACTERS) {
      throw new Error(
        `${name}: a secret needs ${MIN_SECRET_CHARACTERS} characters, and one has ${secret.length}.`,
      );
    }
    if (secret === DEVELOPMENT_SECRET && !development) {
      throw new Error(`${name} is the one for development, which everybody knows. Set your own.`);
    }
  }
  return [first, ...others];
}
