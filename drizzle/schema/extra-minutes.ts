import { sql } from 'drizzle-orm';
import { bigint, boolean, date, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

export const extraMinutesPackages = pgTable('extra_minutes_packages', {
  id: text().primaryKey(),
  name: text().notNull(),
  grantedMs: bigint('granted_ms', { mode: 'number' }).notNull(),
  priceCents: integer('price_cents').notNull(),
  currency: text().notNull(),
  active: boolean().notNull().default(true),
  /** null: its minutes do not expire */
  expiresAfterDays: integer('expires_after_days'),
});

/** What a package costs in other currencies than its own. */
export const extraMinutesPrices = pgTable(
  'extra_minutes_prices',
  {
    package: text().notNull(),
    currency: text().notNull(),
    priceCents: integer('price_cents').notNull(),
  },
  (table) => [primaryKey({ columns: [table.package, table.currency] })],
);

/** Lots, burnt by (lent ones last, expiry if any, purchasedAt, id). */
export const extraMinutesPurchases = pgTable('extra_minutes_purchases', {
  id: text().primaryKey(),
  org: text().notNull(),
  grantedMs: bigint('granted_ms', { mode: 'number' }).notNull(),
  usedMs: bigint('used_ms', { mode: 'number' }).notNull().default(0),
  /** by adjustments, refunds and disputes */
  reversedMs: bigint('reversed_ms', { mode: 'number' }).notNull().default(0),
  /** by adjustments alone */
  takenMs: bigint('taken_ms', { mode: 'number' }).notNull().default(0),
  /** used, and nobody pays for it */
  debtMs: bigint('debt_ms', { mode: 'number' })
    .notNull()
    .generatedAlwaysAs(sql`greatest(0, used_ms - (granted_ms - reversed_ms))`),
  /** only lent while its payment confirms */
  heldAt: instant('held_at'),
  purchasedAt: instant('purchased_at').notNull(),
  expiresAt: instant('expires_at'),
  /** carried out; until then the lot still serves */
  expiredAt: instant('expired_at'),
  /** disputed */
  frozenAt: instant('frozen_at'),
  source: text({ enum: ['purchase', 'adjustment', 'import'] }).notNull(),
  adjustment: text(),
  package: text(),
  amountCents: integer('amount_cents'),
  currency: text(),
});

/** Which minute burnt which lot. */
export const extraMinutesUsage = pgTable(
  'extra_minutes_usage',
  {
    sessionMonth: date('session_month').notNull(),
    org: text().notNull(),
    session: text().notNull(),
    minute: integer().notNull(),
    period: instant().notNull(),
    purchase: text().notNull(),
    ms: integer().notNull(),
  },
  (table) => [
    primaryKey({
      columns: [
        table.sessionMonth,
        table.org,
        table.session,
        table.minute,
        table.period,
        table.purchase,
      ],
    }),
  ],
);

/** A correction or a gift. What takes away waits (`appliedAt` null) until the worker carries it out. */
export const adjustments = pgTable('adjustments', {
  id: text().primaryKey(),
  org: text().notNull(),
  user: text('user_id'),
  kind: text({ enum: ['extra', 'plan', 'goodwill'] }).notNull(),
  /** kind goodwill: the session it is for, if for one */
  session: text(),
  ms: bigint({ mode: 'number' }).notNull(),
  /** kind plan: the start of the period whose quota it moves */
  period: instant(),
  reason: text().notNull(),
  actor: text().notNull(),
  createdAt: instant('created_at').notNull(),
  appliedAt: instant('applied_at'),
  unappliedMs: bigint('unapplied_ms', { mode: 'number' }).notNull().default(0),
});
