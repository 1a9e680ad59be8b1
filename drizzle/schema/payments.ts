import { sql } from 'drizzle-orm';
import { bigint, boolean, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** A purchase of extra minutes from its start; its lot, once there is one, has the same id. */
export const payments = pgTable('payments', {
  id: text().primaryKey(),
  org: text().notNull(),
  user: text('user_id'),
  kind: text({ enum: ['purchase', 'topUp'] }).notNull(),
  method: text({ enum: ['paymentIntent', 'checkout', 'test'] }).notNull(),
  package: text().notNull(),
  grantedMs: bigint('granted_ms', { mode: 'number' }).notNull(),
  amountCents: integer('amount_cents').notNull(),
  currency: text().notNull(),
  expiresAfterDays: integer('expires_after_days'),
  livemode: boolean().notNull(),
  paymentIntent: text('payment_intent'),
  checkoutSession: text('checkout_session'),
  /** meter instant */
  startedAt: instant('started_at').notNull(),
  createdAt: instant('created_at').notNull().default(sql`now()`),
  status: text({ enum: ['open', 'requiresAction', 'processing', 'failed', 'canceled', 'paid'] })
    .notNull()
    .default('open'),
  /** by Stripe's clock */
  statusAt: instant('status_at'),
  failureCode: text('failure_code'),
  failureMessage: text('failure_message'),
  /** meter instant at which it was learned */
  paidAt: instant('paid_at'),
  /** as charges say it; refunds that failed are in it */
  chargeRefundedCents: integer('charge_refunded_cents').notNull().default(0),
  /** lent while the payment confirms: at most this much, until `holdUntil` */
  holdMs: bigint('hold_ms', { mode: 'number' }).notNull().default(0),
  holdUntil: instant('hold_until'),
  /** withdrawn unpaid */
  holdEndedAt: instant('hold_ended_at'),
  /** of a top-up: which one of its organization; what it is paid with, word for word */
  attempt: integer(),
  customer: text(),
  paymentMethod: text('payment_method'),
});

export const paymentRefunds = pgTable('payment_refunds', {
  id: text().primaryKey(),
  org: text().notNull(),
  payment: text().notNull(),
  cents: integer().notNull(),
  status: text({
    enum: ['pending', 'requiresAction', 'succeeded', 'failed', 'canceled'],
  }).notNull(),
  notedAt: instant('noted_at').notNull().default(sql`now()`),
});

export const paymentDisputes = pgTable('payment_disputes', {
  id: text().primaryKey(),
  org: text().notNull(),
  payment: text().notNull(),
  cents: integer().notNull(),
  status: text({ enum: ['inquiry', 'inquiryClosed', 'open', 'lost', 'won'] }).notNull(),
  reason: text(),
  notedAt: instant('noted_at').notNull().default(sql`now()`),
});

/** Every event with a good signature, whatever it meant. */
export const stripeEvents = pgTable('stripe_events', {
  id: text().primaryKey(),
  type: text().notNull(),
  apiVersion: text('api_version'),
  livemode: boolean().notNull(),
  createdAt: instant('created_at').notNull(),
  receivedAt: instant('received_at').notNull().default(sql`now()`),
  org: text(),
  payment: text(),
  /** waiting: no payment has this intent yet */
  paymentIntent: text('payment_intent'),
  effect: text({ enum: ['applied', 'none', 'waiting', 'unknown', 'refused'] }).notNull(),
  /** when Stripe was asked last what it means: where the event does not say it */
  askedAt: instant('asked_at'),
  detail: text(),
  payload: jsonb().$type<unknown>().notNull(),
});

export const stripeCustomers = pgTable('stripe_customers', {
  org: text().primaryKey(),
  customer: text().notNull(),
  livemode: boolean().notNull(),
  paymentMethod: text('payment_method'),
  paymentMethodLabel: text('payment_method_label'),
  /** when it was saved or taken away, by Stripe's clock */
  paymentMethodAt: instant('payment_method_at'),
  createdAt: instant('created_at').notNull().default(sql`now()`),
});

/** Invoices of Stripe that were not paid when they should have been. */
export const stripeInvoices = pgTable('stripe_invoices', {
  id: text().primaryKey(),
  org: text().notNull(),
  /** meter instant at which its failure was learned */
  overdueSince: instant('overdue_since'),
  /** paid or void, for good; by Stripe's clock */
  settledAt: instant('settled_at'),
  amountCents: integer('amount_cents').notNull().default(0),
  currency: text(),
  /** where it is paid */
  url: text(),
});
