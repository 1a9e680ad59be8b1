import { bigint, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** Pieces of a feature, by organization and by member, per local day and per billing month. */
export const usageQuotas = pgTable(
  'usage_quotas',
  {
    org: text().notNull(),
    /** '': of the whole organization */
    user: text('user_id').notNull().default(''),
    feature: text().notNull(),
    per: text({ enum: ['day', 'month'] }).notNull(),
    startsAt: instant('starts_at').notNull(),
    endsAt: instant('ends_at').notNull(),
    used: bigint({ mode: 'number' }).notNull().default(0),
    /** that held when it was last counted; null: none */
    pieceLimit: bigint('piece_limit', { mode: 'number' }),
  },
  (table) => [
    primaryKey({ columns: [table.org, table.user, table.feature, table.per, table.startsAt] }),
  ],
);

export const featureConsumptions = pgTable(
  'feature_consumptions',
  {
    org: text().notNull(),
    id: uuid().notNull(),
    user: text('user_id').notNull(),
    feature: text().notNull(),
    quantity: integer().notNull(),
    dayStartsAt: instant('day_starts_at').notNull(),
    monthStartsAt: instant('month_starts_at').notNull(),
    /** why it would have been refused, in shadow mode */
    wouldRefuse: text('would_refuse', { enum: ['featureNotAllowed', 'limitReached'] }),
    actor: text().notNull(),
    /** its Idempotency-Key */
    key: text(),
    consumedAt: instant('consumed_at').notNull(),
    undoneAt: instant('undone_at'),
    sequence: bigint({ mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
  },
  (table) => [primaryKey({ columns: [table.org, table.id] })],
);
