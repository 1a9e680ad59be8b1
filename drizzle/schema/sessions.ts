import { sql } from 'drizzle-orm';
import {
  bigint,
  date,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
} from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** By which plan and limits a session was recorded; durations in ms, null = unlimited. */
export interface SessionTerms {
  plan: string;
  timeZone: string;
  anchorDay: number;
  planMs: number | null;
  organizationMs: number | null;
  memberMs: number | null;
  maxSessionMs: number | null;
  atLimit: 'stop' | 'overage';
  overageCapMs: number | null;
  roundTo: 'second' | 'minute';
  enforcement: 'enforce' | 'shadow';
  outageTime: 'charge' | 'forgive';
}

/** `closed`: the ledger has every millisecond of an ended session. */
export const sessions = pgTable(
  'sessions',
  {
    org: text().notNull(),
    id: text().notNull(),
    user: text('user_id').notNull(),
    shard: smallint().notNull().generatedAlwaysAs(sql`shard_of(org)`),
    startedAt: instant('started_at').notNull(),
    /** names the partition of its minutes, for good */
    startMonth: date('start_month').notNull(),
    firstPeriod: instant('first_period').notNull(),
    lastPeriod: instant('last_period').notNull(),
    state: text({ enum: ['live', 'ended', 'closed'] })
      .notNull()
      .default('live'),
    endedAt: instant('ended_at'),
    reason: text(),
    stoppedBy: text('stopped_by'),
    /** charged + overshoot, as far as the ledger knows */
    recordedMs: bigint('recorded_ms', { mode: 'number' }).notNull().default(0),
    overshootMs: bigint('overshoot_ms', { mode: 'number' }).notNull().default(0),
    /** sum of its minutes */
    settledMs: bigint('settled_ms', { mode: 'number' }).notNull().default(0),
    generation: bigint({ mode: 'number' }).notNull(),
    /** noted by a trigger, for good; null: not kept then */
    termsAtStart: jsonb('terms_at_start').$type<SessionTerms>(),
    termsAtEnd: jsonb('terms_at_end').$type<SessionTerms>(),
  },
  (table) => [primaryKey({ columns: [table.org, table.id] })],
);

/** What a recorder said of its session; encrypted where a key is set. No part of the ledger. */
export const sessionMetadata = pgTable(
  'session_metadata',
  {
    org: text().notNull(),
    session: text().notNull(),
    value: text().notNull(),
    writtenAt: instant('written_at').notNull().default(sql`now()`),
  },
  (table) => [primaryKey({ columns: [table.org, table.session] })],
);

/** Minute records: the ledger. An entry may only be raised while its minute is unfinished. */
export const usageTracking = pgTable(
  'usage_tracking',
  {
    sessionMonth: date('session_month').notNull(),
    org: text().notNull(),
    session: text().notNull(),
    minute: integer().notNull(),
    period: instant().notNull(),
    user: text('user_id').notNull(),
    /** local day on which it was first written */
    day: date().notNull(),
    ms: integer().notNull(),
    planMs: integer('plan_ms').notNull(),
    extraMs: integer('extra_ms').notNull(),
    overageMs: integer('overage_ms').notNull(),
    billableMs: integer('billable_ms').notNull(),
    debtMs: integer('debt_ms').notNull(),
    writtenAt: instant('written_at').notNull().default(sql`now()`),
  },
  (table) => [
    primaryKey({
      columns: [table.sessionMonth, table.org, table.session, table.minute, table.period],
    }),
  ],
);
