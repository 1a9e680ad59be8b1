/**
 * Carries out the attempt that an organization has under way: pays by the one intent of its payment,
 * takes down what Stripe says, and judges the outcome once. What a webhook says of the same payment
 * comes to the same row, so it does not matter which is heard first.
 */
import { and, eq, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import { payments } from '../../drizzle/schema/payments.ts';
import { topUps } from '../../drizzle/schema/top-ups.ts';
import type { StatusFact } from '../../payments/facts.ts';
import { learnIntent } from '../../payments/learn-intent.ts';
import type { PaymentRow } from '../../payments/payment-state.ts';
import { readIntent } from '../../payments/read-object.ts';
import { type StripeTrouble, troubleOf } from '../../payments/stripe-trouble.ts';
import { takeFact } from '../../payments/take-fact.ts';
import { MOST_FAILURES, type TopUpRow, TROUBLE } from '../../payments/top-up-words.ts';
import { writeAudit } from '../ledger/audit.ts';
import type { TopUpDeps } from './begin.ts';
import { type IntentDeps, payIntent } from './intent.ts';

const MS_PER_SECOND = 1_000;
/** Who took it asks Stripe within it, or has died. */
const LEASE_MS = 60_000;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
const LONGEST_FAILURE_PAUSE_MS = 24 * 3_600_000;
const ENDED: readonly string[] = ['paid', 'failed', 'canceled'];

export interface CarryOutDeps extends TopUpDeps, IntentDeps {}

/** Answers the organization's payment as it stands then; null where there is nothing under way. */
export async function carryOutTopUp(deps: CarryOutDeps, org: string): Promise<PaymentRow | null> {
  if (await judge(deps, org)) return null;
  const claimed = await claim(deps, org);
  if (claimed === null) return null;
  const { settings, payment } = claimed;
  try {
    await learn(deps, payment, await payIntent(deps, payment, settings.tries));
  } catch (error) {
    await troubled(deps, settings, payment, troubleOf(error));
  }
  await judge(deps, org);
  return (await paymentOf(deps, settings)) ?? null;
}

async function claim({ db, wallMs }: CarryOutDeps, org: string) {
  const wall = wallMs();
  const [settings] = await db
    .update(topUps)
    .set({ tries: sql`${topUps.tries} + 1`, nextTryAt: wall + LEASE_MS })
    .where(
      and(
        eq(topUps.org, org),
        sql`${topUps.judged} < ${topUps.attempts}`,
        sql`${topUps.nextTryAt} <= from_epoch_ms(${wall})`,
      ),
    )
    .returning();
  if (settings === undefined) return null;
  const payment = await paymentOf({ db }, settings);
  // On its way at the bank: Stripe tells when that is decided.
  if (payment === undefined || payment.status === 'processing') return null;
  return { settings, payment };
}

async function paymentOf({ db }: Pick<CarryOutDeps, 'db'>, { org, attempts }: TopUpRow) {
  const which = and(eq(payments.org, org), eq(payments.attempt, attempts));
  const [row] = await db
    .select()
    .from(payments)
    .where(and(which, eq(payments.kind, 'topUp')));
  return row;
}

/** @param intent null: Stripe has none, and will have none */
async function learn(deps: CarryOutDeps, row: PaymentRow, intent: Stripe.PaymentIntent | null) {
  const at = await deps.meterNow();
  const stamp = Math.floor(deps.wallMs() / MS_PER_SECOND) * MS_PER_SECOND;
  const fact = intent === null ? ended(row, stamp, 'canceled', null) : readIntent(intent, stamp);
  await deps.db.transaction(async (tx) => {
    if (intent !== null) {
      await learnIntent(tx, row.id, { paymentIntent: intent.id, checkoutSession: null }, at);
    }
    if (fact !== null) await takeFact(tx, row.id, fact, at);
  });
}

function ended(
  { amountCents: cents, currency }: PaymentRow,
  at: number,
  status: 'failed' | 'canceled',
  failure: StatusFact['failure'],
): StatusFact {
  return { kind: 'status', status, at, failure, cents, currency };
}

async function troubled(
  deps: CarryOutDeps,
  { org, tries }: TopUpRow,
  row: PaymentRow,
  trouble: StripeTrouble,
): Promise<void> {
  const { db, log, wallMs } = deps;
  const { kind, code, message, intent } = trouble;
  if (kind === 'refused') {
    const at = await deps.meterNow();
    const stamp = Math.floor(wallMs() / MS_PER_SECOND) * MS_PER_SECOND;
    await db.transaction(async (tx) => {
      if (intent !== null) {
        await learnIntent(tx, row.id, { paymentIntent: intent.id, checkoutSession: null }, at);
      }
      await takeFact(tx, row.id, ended(row, stamp, 'failed', { code, message }), at);
    });
    return;
  }
  // Nobody knows whether it was done: the same is asked again.
  const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries - 1, 20));
  log.warn({ org, payment: row.id, code, tries }, 'a top-up has no answer from Stripe yet');
  await db
    .update(topUps)
    .set({
      nextTryAt: wallMs() + pauseMs,
      trouble: kind === 'key' ? TROUBLE.key : TROUBLE.unanswered,
    })
    .where(eq(topUps.org, org));
}

/** Counts the outcome of the attempt under way, once. True: nothing is under way any more. */
async function judge(deps: CarryOutDeps, org: string): Promise<boolean> {
  const now = await deps.meterNow();
  return deps.db.transaction(async (tx) => {
    const [row] = await tx.select().from(topUps).where(eq(topUps.org, org)).for('update');
    if (row === undefined || row.judged === row.attempts) return true;
    const payment = await paymentOf({ db: tx as unknown as CarryOutDeps['db'] }, row);
    if (payment === undefined || !ENDED.includes(payment.status)) return false;
    const { id: subject, status, failureCode } = payment;
    const isPaid = status === 'paid';
    const failures = isPaid ? 0 : row.failures + 1;
    const trouble = isPaid ? null : (failureCode ?? 'canceled');
    const pauseMs = Math.min(LONGEST_FAILURE_PAUSE_MS, row.coolOffMs * 2 ** (failures - 1));
    await tx
      .update(topUps)
      .set({
        ...{ judged: row.attempts, failures, trouble, tries: 0 },
        enabled: row.enabled && failures < MOST_FAILURES,
        pausedUntil: isPaid ? null : now + pauseMs,
      })
      .where(eq(topUps.org, org));
    const action = isPaid ? 'topUp.paid' : 'topUp.failed';
    const detail = isPaid ? {} : { code: trouble, failures };
    await writeAudit(tx, { actor: 'worker', action, org, subject, detail });
    return true;
  });
}
