import { sql } from 'drizzle-orm';
import { bigint, integer, pgTable, primaryKey, smallint, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** A row of another system's usage, by its own key, and what the ledger has of it. */
export const importRows = pgTable(
  'import_rows',
  {
    org: text().notNull(),
    session: text().notNull(),
    /** start of the row's minute */
    at: instant().notNull(),
    user: text('user_id').notNull(),
    shard: smallint().notNull().generatedAlwaysAs(sql`shard_of(org)`),
    ms: integer().notNull(),
    /** settled: written in the same transaction as the minutes */
    takenMs: integer('taken_ms').notNull().default(0),
    /** the lot that the source says was burnt */
    purchase: text(),
    stagedAt: instant('staged_at').notNull().default(sql`clock_timestamp()`),
  },
  (table) => [primaryKey({ columns: [table.org, table.session, table.at] })],
);

/** A lot that was imported, and what was used of it before it came. */
export const importLots = pgTable('import_lots', {
  lot: text().primaryKey(),
  org: text().notNull(),
  /** null: the source does not say */
  elsewhereMs: bigint('elsewhere_ms', { mode: 'number' }),
  /** of it, what imported minutes have burnt by now */
  burntMs: bigint('burnt_ms', { mode: 'number' }).notNull().default(0),
});
