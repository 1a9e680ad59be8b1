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
  },
  (table) => [primaryKey({ columns: [table.org, table.startsAt] })],
);
