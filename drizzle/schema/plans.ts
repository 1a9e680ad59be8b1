import { sql } from 'drizzle-orm';
import { bigint, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './instant.ts';

/** When to warn: percent of the plan quota, and minutes of all that remains. */
export interface Thresholds {
  percent: number[];
  remainingMinutes: number[];
}

/** Yes or no, or so many pieces a day or month. */
export type Feature = boolean | { limit: number; per: 'day' | 'month' };

export const plans = pgTable('plans', {
  id: text().primaryKey(),
  name: text().notNull(),
  /** null: unlimited */
  quotaMs: bigint('quota_ms', { mode: 'number' }),
  concurrentSessions: integer('concurrent_sessions'),
  maxSessionMs: bigint('max_session_ms', { mode: 'number' }),
  sessionsPerDay: integer('sessions_per_day'),
  /** so many may wait for a place; null: nobody waits */
  queueMax: integer('queue_max'),
  queueWaitMs: bigint('queue_wait_ms', { mode: 'number' }).notNull().default(60_000),
  maxFileBytes: bigint('max_file_bytes', { mode: 'number' }),
  /** of usage events of a local day; null: no ceiling */
  dailyCostCents: integer('daily_cost_cents'),
  atLimit: text('at_limit', { enum: ['stop', 'overage'] })
    .notNull()
    .default('stop'),
  /** null: no cap */
  overageCapMs: bigint('overage_cap_ms', { mode: 'number' }),
  enforcement: text({ enum: ['enforce', 'shadow'] })
    .notNull()
    .default('enforce'),
  roundTo: text('round_to', { enum: ['second', 'minute'] })
    .notNull()
    .default('second'),
  onMeterFailure: text('on_meter_failure', { enum: ['continue', 'terminate'] })
    .notNull()
    .default('continue'),
  meterFailureMs: bigint('meter_failure_ms', { mode: 'number' }).notNull().default(600_000),
  /** whether time that was proven while the meter could not take it is charged once it can (rule 24) */
  outageTime: text('outage_time', { enum: ['charge', 'forgive'] })
    .notNull()
    .default('charge'),
  saveWindowMs: integer('save_window_ms').notNull().default(10_000),
  /** lent while a payment confirms; 0: nothing */
  paymentHoldMs: bigint('payment_hold_ms', { mode: 'number' }).notNull().default(0),
  thresholds: jsonb()
    .$type<Thresholds>()
    .notNull()
    .default({ percent: [80, 90, 100], remainingMinutes: [10, 5, 1] }),
  features: jsonb().$type<Record<string, Feature>>().notNull().default({}),
  /** event name of Stripe's billing meter that overage is reported to; null: to none */
  overageMeter: text('overage_meter'),
  /** how long an unpaid invoice changes nothing */
  paymentGraceDays: integer('payment_grace_days').notNull().default(7),
  createdAt: instant('created_at').notNull().default(sql`now()`),
  updatedAt: instant('updated_at').notNull().default(sql`now()`),
});
