import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  doublePrecision,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
} from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** Generations of the meter's shards (rule 22 in core/meter/README.md). */
export const shards = pgTable('shards', {
  shard: smallint().primaryKey(),
  generation: bigint({ mode: 'number' }).notNull().default(0),
  /** lags behind while a recovery is under way, or after one that was cut short */
  recoveredGeneration: bigint('recovered_generation', { mode: 'number' }).notNull().default(0),
  recoveredAt: instant('recovered_at'),
});

/** One row: how meter time follows from real time. */
export const meterClock = pgTable('meter_clock', {
  onlyRow: boolean('only_row').primaryKey().default(true),
  meterBaseAt: instant('meter_base_at').notNull(),
  realBaseAt: instant('real_base_at').notNull(),
  speed: doublePrecision().notNull().default(1),
  frozen: boolean().notNull().default(false),
});

/** Organizations whose limits the meter has not been told yet. */
export const meterOutbox = pgTable('meter_outbox', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  org: text().notNull(),
  /** only this member's own limit; null: the organization's, and those of all its members */
  user: text('user_id'),
  createdAt: instant('created_at').notNull().default(sql`now()`),
});

/** Asked for by whoever was answered `recover`. */
export const recoveries = pgTable('recoveries', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  shard: smallint().notNull(),
  requestedBy: text('requested_by').notNull(),
  requestedAt: instant('requested_at').notNull().default(sql`now()`),
  doneAt: instant('done_at'),
  generation: bigint({ mode: 'number' }),
});

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    /** the API key or principal that sent it */
    owner: text().notNull(),
    key: text().notNull(),
    requestHash: text('request_hash').notNull(),
    /** null while the first request is at work */
    status: integer(),
    body: jsonb().$type<unknown>(),
    createdAt: instant('created_at').notNull().default(sql`now()`),
  },
  (table) => [primaryKey({ columns: [table.owner, table.key] })],
);

export const auditLog = pgTable('audit_log', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  at: instant().notNull().default(sql`now()`),
  actor: text().notNull(),
  action: text().notNull(),
  org: text(),
  subject: text(),
  detail: jsonb().$type<Record<string, unknown>>().notNull().default({}),
});
