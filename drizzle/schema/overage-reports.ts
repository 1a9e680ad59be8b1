import { sql } from 'drizzle-orm';
import { boolean, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/**
 * Overage as it is told to Stripe. The sum of a period, in one mode, is what Stripe has there, or will
 * have.
 */
export const overageReports = pgTable(
  'overage_reports',
  {
    org: text().notNull(),
    period: instant().notNull(),
    sequence: integer().notNull(),
    /** `credit`: what Stripe can't take back; a person credits it */
    kind: text({ enum: ['report', 'credit'] }).notNull(),
    /** whole; below 0 for a credit */
    minutes: integer().notNull(),
    eventName: text('event_name').notNull(),
    customer: text().notNull(),
    /** of the customer, and of the key that tells it: each mode has its own sum */
    livemode: boolean().notNull(),
    identifier: text().notNull().unique(),
    /** Stripe's clock: within the period, where that is not too long ago */
    occurredAt: instant('occurred_at').notNull(),
    createdAt: instant('created_at').notNull().default(sql`now()`),
    attempts: integer().notNull().default(0),
    firstTriedAt: instant('first_tried_at'),
    /** who asks Stripe may until then */
    nextTryAt: instant('next_try_at').notNull().default(sql`now()`),
    sentAt: instant('sent_at'),
    /** whether Stripe has it nobody knows any more: a person has to look */
    unclearAt: instant('unclear_at'),
    /** it counts no more from then on */
    cancelAt: instant('cancel_at'),
    /** and Stripe knows */
    cancelledAt: instant('cancelled_at'),
    /** too late: it counts */
    cancelRefusedAt: instant('cancel_refused_at'),
    lastError: text('last_error'),
  },
  (table) => [primaryKey({ columns: [table.org, table.period, table.sequence] })],
);
