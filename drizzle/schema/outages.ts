import { sql } from 'drizzle-orm';
import { bigint, boolean, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** Times at which a gateway could not ask a store, and what became of what was recorded meanwhile. */
export const outages = pgTable('outages', {
  id: uuid().primaryKey(),
  gateway: text().notNull(),
  part: text({ enum: ['redis', 'postgres'] }).notNull(),
  beganAt: instant('began_at').notNull(),
  endedAt: instant('ended_at').notNull(),
  /** the other store was away, too, for some of the time */
  bothAway: boolean('both_away').notNull(),
  /** whose words the meter could not take, and told later */
  sessions: integer().notNull(),
  countedMs: bigint('counted_ms', { mode: 'number' }).notNull(),
  chargedMs: bigint('charged_ms', { mode: 'number' }).notNull(),
  forgivenMs: bigint('forgiven_ms', { mode: 'number' }).notNull(),
  /** stopped because it lasted longer than their plan bears */
  terminated: integer().notNull(),
  writtenAt: instant('written_at').notNull().default(sql`now()`),
});
