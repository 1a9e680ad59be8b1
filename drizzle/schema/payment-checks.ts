import { sql } from 'drizzle-orm';
import { bigint, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** Something that no webhook had told. */
export interface MissedFact {
  payment: string;
  what: string;
}
/** Something that a person has to look at. */
export interface LeftOver {
  /** Stripe's id, or a payment's */
  object: string;
  why: string;
}

/** A comparison with Stripe: asked for, under way, or done. */
export const paymentChecks = pgTable('payment_checks', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  requestedAt: instant('requested_at').notNull().default(sql`now()`),
  actor: text().notNull(),
  /** so many days back */
  days: integer().notNull(),
  startedAt: instant('started_at'),
  doneAt: instant('done_at'),
  looked: integer().notNull().default(0),
  missed: jsonb().$type<MissedFact[]>().notNull().default([]),
  leftOver: jsonb('left_over').$type<LeftOver[]>().notNull().default([]),
  failure: text(),
});
