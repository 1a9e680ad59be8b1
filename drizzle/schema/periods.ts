import { sql } from 'drizzle-orm';
import { bigint, boolean, pgTable, primaryKey, smallint, text } from 'drizzle-orm/pg-core';
import type { LimitMode } from '../../core/meter/rows.ts';
import { instant } from './instant.ts';

/** A billing month of an organization: by which limits it is split, and what is settled of it. */
export const billingPeriods = pgTable(
  'billing_periods',
  {
    org: text().notNull(),
    startsAt: instant('starts_at').notNull(),
    endsAt: instant('ends_at').notNull(),
    /** null: unlimited */
    quotaMs: bigint('quota_ms', { mode: 'number' }),
    /** adjustments of kind plan, already in `quotaMs` */
    adjustedMs: bigint('adjusted_ms', { mode: 'number' }).notNull().default(0),
    mode: smallint().$type<LimitMode>().notNull(),
    overageCapMs: bigint('overage_cap_ms', { mode: 'number' }),
    version: bigint({ mode: 'number' }).notNull(),
    /** a lower limit waits until what is open has been settled by these figures */
    decreasePending: boolean('decrease_pending').notNull().default(false),
    usedMs: bigint('used_ms', { mode: 'number' }).notNull().default(0),
    planMs: bigint('plan_ms', { mode: 'number' }).notNull().default(0),
    extraMs: bigint('extra_ms', { mode: 'number' }).notNull().default(0),
    /** all that neither plan nor lots covered */
    overageMs: bigint('overage_ms', { mode: 'number' }).notNull().default(0),
    /** part of overage that the plan bills */
    billableMs: bigint('billable_ms', { mode: 'number' }).notNull().default(0),
    /** part of overage that was used although nothing was left; never billed */
    debtMs: bigint('debt_ms', { mode: 'number' }).notNull().default(0),
    /** rises with every change of the sums (rule 12 in core/meter/README.md) */
    sequence: bigint({ mode: 'number' }).notNull().default(0),
    /** when time of it last reached the ledger; a meter instant */
    settledAt: instant('settled_at'),
    /** what gave it its end */
    closedBy: text('closed_by', { enum: ['calendar', 'reset', 'repair'] })
      .notNull()
      .default('calendar'),
  },
  (table) => [primaryKey({ columns: [table.org, table.startsAt] })],
);

/** A period closed by hand. The meter says at which instant; until then it waits. */
export const periodResets = pgTable('period_resets', {
  id: text().primaryKey(),
  org: text().notNull(),
  /** start of the one that ran when it was asked for */
  period: instant().notNull(),
  reason: text().notNull(),
  actor: text().notNull(),
  requestedAt: instant('requested_at').notNull().default(sql`now()`),
  /** meter instant at which that period ended and the next began; null: it waits */
  at: instant(),
  /** the end that the next one was given */
  nextEndsAt: instant('next_ends_at'),
});
