/**
 * Refunds that became something else in the days that are checked, however old they are: a bank gives
 * money back to us weeks after a refund was done. Lists of refunds are by the day on which one was made;
 * Stripe's events, which it keeps for 30 days, are by the day on which it changed.
 */
import type Stripe from 'stripe';
import { type CheckOptions, goesOn, type PaymentCheck, type Taker } from './check-findings.ts';
import { idOf, readRefund } from './read-object.ts';
import { troubleOf } from './stripe-trouble.ts';

const CHANGES = ['refund.failed', 'refund.updated', 'charge.refund.updated'] as const;

/** @throws what Stripe's library throws, but where the key may not read events */
export async function checkRefunds(
  { stripe }: CheckOptions,
  found: PaymentCheck,
  take: Taker,
  page: { created: { gte: number }; limit: number },
): Promise<void> {
  const events = stripe.events.list({ ...page, types: [...CHANGES] });
  for await (const event of readable(events, found)) {
    if (!goesOn(found)) return;
    const refund = event.data.object as Stripe.Refund;
    // Newest first; what an older one says then is outdone already.
    await take.byIntent(idOf(refund.payment_intent), readRefund(refund));
  }
}

async function* readable(
  events: AsyncIterable<Stripe.Event>,
  found: PaymentCheck,
): AsyncGenerator<Stripe.Event> {
  try {
    yield* events;
  } catch (error) {
    if (troubleOf(error).kind !== 'key') throw error;
    const why = 'Refunds that failed are not looked for: give the key read on Events.';
    found.leftOver.push({ object: 'events', why });
  }
}
