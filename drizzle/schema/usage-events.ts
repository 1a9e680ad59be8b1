import { bigint, date, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** Use of other kinds: tokens, bytes, money. Append-only. */
export const usageEvents = pgTable(
  'usage_events',
  {
    org: text().notNull(),
    id: text().notNull(),
    kind: text().notNull(),
    user: text('user_id'),
    quantity: bigint({ mode: 'number' }).notNull(),
    /** 10,000 a cent */
    costMicros: bigint('cost_micros', { mode: 'number' }).notNull(),
    /** local day of the organization */
    day: date().notNull(),
    occurredAt: instant('occurred_at').notNull(),
    recordedAt: instant('recorded_at').notNull(),
    /** flat JSON, encrypted where a key is set */
    metadata: text(),
  },
  (table) => [primaryKey({ columns: [table.org, table.id] })],
);

/** Per organization and local day. Derived from usage_events. */
export const dailyCosts = pgTable(
  'daily_costs',
  {
    org: text().notNull(),
    day: date().notNull(),
    costMicros: bigint('cost_micros', { mode: 'number' }).notNull().default(0),
    events: bigint({ mode: 'number' }).notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.org, table.day] })],
);
