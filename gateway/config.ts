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
import { refuseShortWindow } from '../core/runtime/resume-window.ts';
import { refusePublishedPassword, refuseShared, secretsOf } from '../core/runtime/secrets.ts';
import { readPaymentSettings } from '../payments/settings.ts';
import { identityProviders } from './identity/settings.ts';
import { TRANSPORTS } from './transport/transport.ts';

const HOUR_MS = 3_600_000;

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
  METADATA_KEYS: list().default([]),
  IDENTITY_PROVIDERS: identityProviders().default([]),
  RECEIPT_KEYS: list().default([]),
  PUBLIC_WS_URL: url('ws', 'wss').optional(),
  BUY_URL: z.string().optional(),
  UPGRADE_URL: z.string().optional(),
  SPOOL_DIR: z.string().optional(),
  DEMO_ORGANIZATION: z.string().default('demo'),
};

export type GatewayConfig = ReturnType<typeof readConfig>;

/** @throws ConfigurationError that lists all that is wrong */
export function readConfig(env: Environment) {
  const read = readEnv(shape, env);
  const { DEVELOPMENT: development, RESUME_WINDOW_MS: resumeWindowMs } = read;
  const { TICK_INTERVAL_MS: intervalMs, BEAT_TIMEOUT_MS: timeoutMs } = read;
  refuseShortWindow({ resumeWindowMs, intervalMs, timeoutMs });
  const ticketSecrets = secretsOf('TICKET_SECRETS', read.TICKET_SECRETS, development);
  const checkpointSecrets = secretsOf('CHECKPOINT_SECRETS', read.CHECKPOINT_SECRETS, development);
  const metadataKeys =
    read.METADATA_KEYS.length === 0
      ? []
      : secretsOf('METADATA_KEYS', read.METADATA_KEYS, development);
  // Without them receipts are not given out; in development they are signed by the key of development.
  const receiptKeys =
    read.RECEIPT_KEYS.length === 0 && !development
      ? null
      : secretsOf('RECEIPT_KEYS', read.RECEIPT_KEYS, development);
  const purposes = [
    ['TICKET_SECRETS', ticketSecrets],
    ['CHECKPOINT_SECRETS', checkpointSecrets],
    ['METADATA_KEYS', metadataKeys],
    ['RECEIPT_KEYS', receiptKeys ?? []],
  ] as const;
  refuseShared(purposes, development);
  refusePublishedPassword(read.DATABASE_URL, development);
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
    development,
    allowedOrigins: read.ALLOWED_ORIGINS,
    intervalMs,
    timeoutMs,
    resumeWindowMs,
    maxSockets: read.MAX_SOCKETS,
    maxSocketsPerAddress: read.MAX_SOCKETS_PER_ADDRESS,
    maxSocketsPerMember: read.MAX_SOCKETS_PER_MEMBER,
    maxSocketsPerOrganization: read.MAX_SOCKETS_PER_ORGANIZATION,
    apiRate: { perSecond: read.API_REQUESTS_PER_SECOND, burst: read.API_REQUESTS_BURST },
    ticketSecrets,
    checkpointSecrets,
    metadataKeys,
    identityProviders: read.IDENTITY_PROVIDERS,
    receiptKeys,
    publicWsUrl: read.PUBLIC_WS_URL ?? null,
    links: { buyUrl: read.BUY_URL ?? null, upgradeUrl: read.UPGRADE_URL ?? null },
    payments: readPaymentSettings(env),
    spoolFolder: read.SPOOL_DIR ?? null,
    demoOrganization: read.DEMO_ORGANIZATION,
  };
}
