/**
 * What is not decided yet by all that is known here, asked for one by one: the lists of the last days
 * do not have a purchase that was begun before them, nor a dispute that a bank decides weeks later.
 */
import { and, eq, gt, inArray, lt, ne, notInArray } from 'drizzle-orm';
import { paymentDisputes, paymentRefunds, payments } from '../drizzle/schema/payments.ts';
import {
  type CheckOptions,
  goesOn,
  leave,
  type PaymentCheck,
  type Taker,
} from './check-findings.ts';
import type { Fact } from './facts.ts';
import type { PaymentRow } from './payment-state.ts';
import { readCheckout, readDispute, readIntent, readRefund } from './read-object.ts';
import { orNull } from './stripe-trouble.ts';

const DAY_MS = 86_400_000;
/** A purchase without an intent for so long never got one: its request broke off. */
const LOST_AFTER_MS = DAY_MS;
/** One that is not paid for so long will hardly be: asked for each night, they would be ever more. */
const ASKED_FOR_MS = 60 * DAY_MS;

/** @throws what Stripe's library throws, but where it does not have what is asked for */
export async function checkStanding(
  options: CheckOptions,
  found: PaymentCheck,
  take: Taker,
): Promise<void> {
  await checkUndecided(options, found, take);
  await checkUnpaid(options, found, take);
}

async function checkUnpaid(options: CheckOptions, found: PaymentCheck, take: Taker) {
  const { db, stripe, wallNow } = options;
  const unpaid = await db
    .select()
    .from(payments)
    .where(
      and(
        notInArray(payments.status, ['paid', 'canceled']),
        lt(payments.createdAt, wallNow - LOST_AFTER_MS),
        gt(payments.createdAt, wallNow - ASKED_FOR_MS),
        atStripe(options),
      ),
    );
  for (const row of unpaid) {
    if (!goesOn(found)) return;
    const { paymentIntent, checkoutSession } = row;
    if (paymentIntent !== null) {
      const intent = await orNull(() => stripe.paymentIntents.retrieve(paymentIntent));
      if (intent !== null) await take.facts(row, [readIntent(intent, wallNow)]);
      // A bank may be at it, at another account: that is for a person to know.
      else if (row.status === 'processing') leave(found, paymentIntent);
      else await take.facts(row, [canceled(wallNow)]);
    } else if (checkoutSession !== null) {
      await checkSession(options, { row, checkoutSession }, take);
    } else {
      await take.facts(row, [canceled(wallNow)]);
    }
  }
}

/** Checkout makes its intent when it is paid; one that is over without it never will be. */
async function checkSession(
  { stripe, wallNow }: CheckOptions,
  { row, checkoutSession }: { row: PaymentRow; checkoutSession: string },
  take: Taker,
): Promise<void> {
  const expand = ['payment_intent'];
  const session = await orNull(() =>
    stripe.checkout.sessions.retrieve(checkoutSession, { expand }),
  );
  if (session === null) return take.facts(row, [canceled(wallNow)]);
  const intent = session.payment_intent;
  if (intent !== null && typeof intent !== 'string') return take.intent(row.id, intent);
  await take.facts(row, [readCheckout(session, wallNow)]);
}

/** Disputes that are open, and refunds that are on their way. */
async function checkUndecided(options: CheckOptions, found: PaymentCheck, take: Taker) {
  const { db, stripe } = options;
  const disputed = await db
    .select({ row: payments, id: paymentDisputes.id })
    .from(paymentDisputes)
    .innerJoin(payments, eq(payments.id, paymentDisputes.payment))
    .where(and(inArray(paymentDisputes.status, ['inquiry', 'open']), atStripe(options)));
  const refunded = await db
    .select({ row: payments, id: paymentRefunds.id })
    .from(paymentRefunds)
    .innerJoin(payments, eq(payments.id, paymentRefunds.payment))
    .where(and(inArray(paymentRefunds.status, ['pending', 'requiresAction']), atStripe(options)));
  const asks = [
    ...disputed.map((it) => ({
      ...it,
      ask: async () => [readDispute(await stripe.disputes.retrieve(it.id))],
    })),
    ...refunded.map((it) => ({
      ...it,
      ask: async () => [readRefund(await stripe.refunds.retrieve(it.id))],
    })),
  ];
  for (const { row, id, ask } of asks) {
    if (!goesOn(found)) return;
    const facts = await orNull<(Fact | null)[]>(ask);
    if (facts !== null) await take.facts(row, facts);
    else leave(found, id);
  }
}

const atStripe = ({ livemode }: CheckOptions) =>
  and(ne(payments.method, 'test'), eq(payments.livemode, livemode));

/** Nobody can pay it any more; should Stripe say that it is paid after all, that holds. */
const canceled = (at: number): Fact => ({
  kind: 'status',
  status: 'canceled',
  at,
  failure: null,
  cents: 0,
  currency: '',
});
