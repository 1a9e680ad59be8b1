import { sql } from 'drizzle-orm';
import { jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** An organization that the worker shall compare with its minutes, and what it answered. */
export const reconciles = pgTable('reconciles', {
  id: text().primaryKey(),
  org: text().notNull(),
  actor: text().notNull(),
  requestedAt: instant('requested_at').notNull().default(sql`now()`),
  doneAt: instant('done_at'),
  result: jsonb().$type<Record<string, unknown>>(),
});
