/**
 * Tells Stripe what is written down, each row once. The event has an identifier of its own, which
 * Stripe takes once within 24 hours at least, and the call a key made of it; so whatever was lost on
 * the way is said again in the same words. Beyond that time nobody can say whether it is there, and
 * it is not said again: too little is billed then, not too much, until a person has looked.
 */
import { randomUUID } from 'node:crypto';
import { and, eq, isNull, sql } from 'drizzle-orm';
import Stripe from 'stripe';
import type { Log } from '../../core/runtime/log.ts';
import { overageReports } from '../../drizzle/schema/overage-reports.ts';
import { isKeySpent, type StripeTrouble, troubleOf } from '../../payments/stripe-trouble.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { OLDEST_MS } from './append.ts';

const MS_PER_SECOND = 1_000;
const HOUR_MS = 3_600_000;
/** Who took a row asks Stripe within it, or has died. */
const LEASE_MS = 60_000;
const SURE_MS = 23 * HOUR_MS;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = HOUR_MS;
const REFUSED_PAUSE_MS = 60_000;
const ROWS_A_TURN = 20;

type Row = typeof overageReports.$inferSelect;

export interface SendDeps extends Pick<LedgerContext, 'db' | 'wallMs'> {
  stripe: Stripe;
  /** of its key: rows of the other mode wait for a key of theirs */
  livemode: boolean;
  log: Log;
}

/** Answers how many rows Stripe has now that it had not. */
export async function sendReports(deps: SendDeps): Promise<number> {
  let sent = 0;
  for (;;) {
    const rows = await claim(deps);
    for (const row of rows) {
      const isDone = row.cancelAt === null ? await report(deps, row) : await cancel(deps, row);
      if (isDone) sent += 1;
    }
    if (rows.length < ROWS_A_TURN) return sent;
  }
}

/** Rows that are due, for this worker alone until their lease ends. */
async function claim({ db, livemode, wallMs }: SendDeps): Promise<Row[]> {
  const wall = wallMs();
  const due = await db.execute<{ identifier: string }>(sql`
    update overage_reports r set next_try_at = from_epoch_ms(${wall + LEASE_MS}),
      attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, from_epoch_ms(${wall}))
    where identifier in (
      select identifier from overage_reports
      where kind = 'report' and livemode = ${livemode} and unclear_at is null
        and next_try_at <= from_epoch_ms(${wall})
        and ((sent_at is null and cancelled_at is null)
          or (cancel_at is not null and cancelled_at is null))
      order by next_try_at limit ${ROWS_A_TURN} for update skip locked)
    returning identifier`);
  const rows = await Promise.all(
    due.map(({ identifier }) =>
      db.select().from(overageReports).where(eq(overageReports.identifier, identifier)),
    ),
  );
  return rows.flat();
}

async function report(deps: SendDeps, row: Row): Promise<boolean> {
  const { stripe, wallMs } = deps;
  const { identifier, eventName: event_name, customer, minutes } = row;
  if (wallMs() - row.firstTriedAt! > SURE_MS) return giveUp(deps, row);
  const payload = { stripe_customer_id: customer, value: String(minutes) };
  const timestamp = Math.floor(row.occurredAt / MS_PER_SECOND);
  try {
    await underKey(`overage-${identifier}`, row, (options) =>
      stripe.billing.meterEvents.create({ event_name, identifier, timestamp, payload }, options),
    );
  } catch (error) {
    if (!isThereAlready(error)) return troubled(deps, row, troubleOf(error));
  }
  return change(deps, row, { sentAt: wallMs(), lastError: null });
}

/**
 * Where Stripe broke, it answers so under this key for a day: then by another one, which is safe since
 * the identifier alone keeps it from being done twice.
 */
async function underKey(
  idempotencyKey: string,
  { attempts }: Row,
  ask: (options: Stripe.RequestOptions) => Promise<unknown>,
): Promise<void> {
  try {
    await ask({ idempotencyKey });
  } catch (error) {
    if (!isKeySpent(error)) throw error;
    await ask({ idempotencyKey: `${idempotencyKey}-${attempts}` });
  }
}

/** As Stripe says of an identifier that it knows. */
function isThereAlready(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) return false;
  return /duplicate|already exists/i.test(`${error.code} ${error.message}`);
}

async function cancel(deps: SendDeps, row: Row): Promise<boolean> {
  const { stripe, wallMs } = deps;
  const { identifier, eventName: event_name } = row;
  try {
    const what = { type: 'cancel' as const, event_name, cancel: { identifier } };
    await underKey(`cancel-overage-${identifier}`, row, (options) =>
      stripe.billing.meterEventAdjustments.create(what, options),
    );
  } catch (error) {
    const trouble = troubleOf(error);
    if (trouble.kind !== 'refused') return troubled(deps, row, trouble);
    // Too late: it counts again, and the next look writes a credit for a person instead.
    return change(deps, row, {
      ...{ cancelAt: null, cancelRefusedAt: wallMs(), lastError: trouble.message },
    });
  }
  return change(deps, row, { cancelledAt: wallMs(), lastError: null });
}

async function troubled(deps: SendDeps, row: Row, trouble: StripeTrouble): Promise<boolean> {
  const { log, wallMs } = deps;
  const { org, period, sequence, attempts } = row;
  const wall = wallMs();
  const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 20));
  const lastError = `${trouble.code}: ${trouble.message}`;
  const about = { org, period, sequence, code: trouble.code };
  if (trouble.kind === 'unavailable') {
    await change(deps, row, { nextTryAt: wall + pauseMs, lastError });
    log.warn(about, 'overage could not be reported, and will be');
    return false;
  }
  log.error(about, `Stripe does not take overage: ${trouble.message}`);
  const nextTryAt = wall + Math.max(pauseMs, REFUSED_PAUSE_MS);
  await change(deps, row, { nextTryAt, lastError });
  // It is not there for sure, and under its old key the same answer would come again.
  if (row.cancelAt === null) await rename(deps, row, wall);
  return false;
}

/** Not where another worker has taken the row since: it may be saying the old name at this moment. */
async function rename({ db }: SendDeps, row: Row, wall: number): Promise<void> {
  const occurredAt = Math.max(row.occurredAt, wall - OLDEST_MS);
  await db
    .update(overageReports)
    .set({ identifier: randomUUID(), firstTriedAt: null, occurredAt })
    .where(
      and(
        eq(overageReports.identifier, row.identifier),
        eq(overageReports.attempts, row.attempts),
        isNull(overageReports.sentAt),
      ),
    );
}

async function giveUp(deps: SendDeps, row: Row): Promise<boolean> {
  const { org, period, sequence, minutes } = row;
  const lastError = 'Stripe gave no answer for a day: look there whether it has this event.';
  await change(deps, row, { unclearAt: deps.wallMs(), lastError });
  deps.log.error(
    { org, period, sequence, minutes },
    'nobody knows whether Stripe has this overage',
  );
  return false;
}

/** True: for whoever says that the row is done. */
async function change({ db }: SendDeps, row: Row, values: Partial<Row>): Promise<true> {
  await db.update(overageReports).set(values).where(eq(overageReports.identifier, row.identifier));
  return true;
}
