import { sql } from 'drizzle-orm';
import { bigint, date, pgTable, text, unique } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** What enforcement would have refused or stopped, had the plan not been in shadow mode. */
export const shadowDecisions = pgTable(
  'shadow_decisions',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    org: text().notNull(),
    what: text({ enum: ['refused', 'stopped'] }).notNull(),
    /** the code a recorder would have been told */
    reason: text().notNull(),
    binding: text().notNull(),
    user: text('user_id'),
    session: text(),
    feature: text(),
    period: instant(),
    /** meter instant */
    decidedAt: instant('decided_at').notNull(),
    unit: text({ enum: ['ms', 'count', 'bytes'] }).notNull(),
    used: bigint({ mode: 'number' }).notNull(),
    allowed: bigint({ mode: 'number' }).notNull(),
    /** what was asked for, if it said so */
    wanted: bigint({ mode: 'number' }),
    /** local day of a check, which counts once in it; null: a session was let in */
    askedOn: date('asked_on'),
    writtenAt: instant('written_at').notNull().default(sql`now()`),
  },
  (table) => [unique().on(table.org, table.session, table.what, table.binding, table.period)],
);
