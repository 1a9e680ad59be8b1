import { sql } from 'drizzle-orm';
import { bigint, boolean, integer, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** What an organization lets be bought without anybody at hand, and how that went. */
export const topUps = pgTable('top_ups', {
  org: text().primaryKey(),
  enabled: boolean().notNull(),
  package: text().notNull(),
  /** of all that remains */
  thresholdMs: bigint('threshold_ms', { mode: 'number' }).notNull(),
  monthlyCapCents: integer('monthly_cap_cents').notNull(),
  /** of the cap: the package's, when it was set */
  currency: text().notNull(),
  coolOffMs: integer('cool_off_ms').notNull(),
  /** null: the customer's saved one */
  paymentMethod: text('payment_method'),
  attempts: integer().notNull().default(0),
  /** attempts whose outcome is in what follows */
  judged: integer().notNull().default(0),
  /** meter instant of the last attempt */
  lastAt: instant('last_at'),
  /** in a row */
  failures: integer().notNull().default(0),
  /** meter instant */
  pausedUntil: instant('paused_until'),
  /** a code of ours (payments/top-up-words.ts) or of Stripe */
  trouble: text(),
  /** of the attempt under way: how often Stripe was asked, and who asks may until then, real time */
  tries: integer().notNull().default(0),
  nextTryAt: instant('next_try_at').notNull().default(sql`now()`),
  updatedAt: instant('updated_at').notNull().default(sql`now()`),
});
