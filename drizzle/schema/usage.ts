import { sql } from 'drizzle-orm';
import { bigint, date, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

const sums = {
  usedMs: bigint('used_ms', { mode: 'number' }).notNull().default(0),
  planMs: bigint('plan_ms', { mode: 'number' }).notNull().default(0),
  extraMs: bigint('extra_ms', { mode: 'number' }).notNull().default(0),
  overageMs: bigint('overage_ms', { mode: 'number' }).notNull().default(0),
  /** minute records that began in it */
  minutes: integer().notNull().default(0),
};

/** Per organization, member and period. Derived from usage_tracking. */
export const monthlyUsageCache = pgTable(
  'monthly_usage_cache',
  {
    org: text().notNull(),
    user: text('user_id').notNull(),
    period: instant().notNull(),
    ...sums,
    seconds: bigint({ mode: 'number' }).notNull().generatedAlwaysAs(sql`used_ms / 1000`),
    sequence: bigint({ mode: 'number' }).notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.org, table.user, table.period] })],
);

/** Per organization, member and local day. Derived from usage_tracking. */
export const dailyUsage = pgTable(
  'daily_usage',
  {
    org: text().notNull(),
    user: text('user_id').notNull(),
    day: date().notNull(),
    ...sums,
  },
  (table) => [primaryKey({ columns: [table.org, table.user, table.day] })],
);

/** Crossed thresholds. (org, budget, level, version) names a crossing for good. */
export const usageAlerts = pgTable(
  'usage_alerts',
  {
    org: text().notNull(),
    budget: text().notNull(),
    /** above 0: percent of the plan quota; below: ms left */
    level: bigint({ mode: 'number' }).notNull(),
    version: bigint({ mode: 'number' }).notNull(),
    scope: text({ enum: ['organization', 'member', 'session', 'cost'] }).notNull(),
    user: text('user_id'),
    session: text(),
    period: instant(),
    crossedAt: instant('crossed_at').notNull(),
    writtenAt: instant('written_at').notNull().default(sql`now()`),
  },
  (table) => [primaryKey({ columns: [table.org, table.budget, table.level, table.version] })],
);
