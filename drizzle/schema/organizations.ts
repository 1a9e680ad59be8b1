import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
} from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';
import type { Feature } from './plans.ts';

const nextVersion = sql`nextval('limit_versions')`;

export const organizations = pgTable('organizations', {
  id: text().primaryKey(),
  name: text().notNull(),
  plan: text().notNull(),
  timeZone: text('time_zone').notNull().default('UTC'),
  anchorDay: smallint('anchor_day').notNull().default(1),
  /** its own limit beside the plan's; the lower one counts; null: none */
  quotaMs: bigint('quota_ms', { mode: 'number' }),
  suspended: boolean().notNull().default(false),
  shard: smallint().notNull().generatedAlwaysAs(sql`shard_of(id)`),
  /** take the next one with every change of what limits this organization */
  limitVersion: bigint('limit_version', { mode: 'number' }).notNull().default(nextVersion),
  /** take the next one with every change of extra minutes, and of `suspended` */
  grantVersion: bigint('grant_version', { mode: 'number' }).notNull().default(nextVersion),
  drawnMs: bigint('drawn_ms', { mode: 'number' }).notNull().default(0),
  drawnSequence: bigint('drawn_sequence', { mode: 'number' }).notNull().default(0),
  /** meter instant since which an invoice is unpaid */
  paymentOverdueSince: instant('payment_overdue_since'),
  /** carried out: no overage any more until it is paid */
  paymentGraceEnded: boolean('payment_grace_ended').notNull().default(false),
  createdAt: instant('created_at').notNull().default(sql`now()`),
  updatedAt: instant('updated_at').notNull().default(sql`now()`),
});

export const organizationMembers = pgTable(
  'organization_members',
  {
    org: text().notNull(),
    user: text('user_id').notNull(),
    name: text(),
    email: text(),
    /** null: only the organization's limit */
    quotaMs: bigint('quota_ms', { mode: 'number' }),
    concurrentSessions: integer('concurrent_sessions'),
    /** its own limits of features; they open nothing that the plan lacks */
    features: jsonb().$type<Record<string, Feature>>().notNull().default({}),
    sessionsPerDay: integer('sessions_per_day'),
    limitVersion: bigint('limit_version', { mode: 'number' }).notNull().default(nextVersion),
    createdAt: instant('created_at').notNull().default(sql`now()`),
    updatedAt: instant('updated_at').notNull().default(sql`now()`),
  },
  (table) => [primaryKey({ columns: [table.org, table.user] })],
);

export const apiKeys = pgTable('api_keys', {
  id: text().primaryKey(),
  name: text().notNull(),
  /** SHA-256 of the key, in hex; a gateway's login can't read it, nor the one before */
  keyHash: text('key_hash').notNull().unique(),
  /** null: all organizations */
  orgs: text().array(),
  /** null: all */
  scopes: text().array(),
  createdAt: instant('created_at').notNull().default(sql`now()`),
  expiresAt: instant('expires_at'),
  revokedAt: instant('revoked_at'),
  /** of the secret before the last rotation, which holds until then */
  previousHash: text('previous_hash').unique(),
  previousUntil: instant('previous_until'),
  /** coarse: no write per request */
  lastUsedAt: instant('last_used_at'),
});
