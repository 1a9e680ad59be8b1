/**
 * Which intent is a payment's. Stripe may tell of an intent before we have taken down that it is ours:
 * such events wait, and are given their effect in the transaction that learns it.
 */
import { and, asc, eq, isNull, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '../drizzle/client.ts';
import { payments, stripeEvents } from '../drizzle/schema/payments.ts';
import type { Fact } from './facts.ts';
import { readEvent } from './read-event.ts';
import { type Taken, takeFact } from './take-fact.ts';

export interface StripeNames {
  paymentIntent: string | null;
  checkoutSession: string | null;
}

export interface Outcome {
  effect: Taken['taken'];
  detail: string | null;
}

/**
 * Until the transaction ends. An event that looks for its payment and a payment that learns its intent
 * must not pass each other unseen.
 */
export async function lockIntent(tx: Transaction, intent: string): Promise<void> {
  await tx.execute(
    sql`select pg_advisory_xact_lock(hashtextextended(${`payment intent ${intent}`}, 0))`,
  );
}

/**
 * Also where it is known already: then nothing changes. It needs a transaction that sees events of
 * nobody yet: one of the whole installation.
 * @param at meter instant
 * @throws where the payment has another intent
 */
export async function learnIntent(
  tx: Transaction,
  payment: string,
  { paymentIntent, checkoutSession }: StripeNames,
  at: number,
): Promise<void> {
  if (checkoutSession !== null) {
    await tx
      .update(payments)
      .set({ checkoutSession })
      .where(and(eq(payments.id, payment), isNull(payments.checkoutSession)));
  }
  if (paymentIntent === null) return;
  await lockIntent(tx, paymentIntent);
  // A trigger refuses another one than it has.
  await tx.update(payments).set({ paymentIntent }).where(eq(payments.id, payment));
  const waiting = await tx
    .select()
    .from(stripeEvents)
    .where(and(eq(stripeEvents.paymentIntent, paymentIntent), eq(stripeEvents.effect, 'waiting')))
    .orderBy(asc(stripeEvents.createdAt), asc(stripeEvents.id))
    .for('update');
  for (const { id, payload } of waiting) {
    const read = readEvent(payload as Stripe.Event);
    const { effect, detail } = await takeFacts(tx, payment, read?.facts ?? [], at);
    await tx
      .update(stripeEvents)
      .set({ effect, detail, payment, org: orgOf(payment) })
      .where(eq(stripeEvents.id, id));
  }
}

const orgOf = (payment: string) => sql`(select org from payments where id = ${payment})`;

/** All that one event says; what is refused stands out. */
export async function takeFacts(
  tx: Transaction,
  payment: string,
  facts: readonly Fact[],
  at: number,
): Promise<Outcome> {
  const outcome: Outcome = { effect: 'none', detail: null };
  for (const fact of facts) {
    const taken = await takeFact(tx, payment, fact, at);
    if (taken === null) throw new Error(`There is no payment ${payment}.`);
    if (taken.taken === 'refused') return { effect: 'refused', detail: taken.why };
    if (taken.taken === 'applied') outcome.effect = 'applied';
  }
  return outcome;
}
