/** Ends a purchase that nobody has paid, at Stripe first: what is canceled there can't be paid. */
import type Stripe from 'stripe';
import type { PaymentStatus, StatusFact } from './facts.ts';
import { learnIntent } from './learn-intent.ts';
import type { PaymentRow } from './payment-state.ts';
import { idOf, readCheckout, readIntent } from './read-object.ts';
import type { StartDeps } from './start-purchase.ts';
import { isBeyond, StripeTrouble, troubleOf } from './stripe-trouble.ts';
import { type Taken, takeFact } from './take-fact.ts';

const MS_PER_SECOND = 1_000;
const ENDED: readonly PaymentStatus[] = ['paid', 'canceled'];

/**
 * It may turn out paid, or on its way: the purchase then stands as Stripe says.
 * @throws StripeTrouble
 */
export async function cancelPurchase(
  deps: Pick<StartDeps, 'db' | 'now' | 'meterNow'>,
  /** null: a test payment, or one that never came to Stripe */
  stripe: Stripe | null,
  row: PaymentRow,
): Promise<Taken | null> {
  const standing = stripe === null ? null : await cancelAtStripe(stripe, row, deps.now());
  const fact = standing === null ? canceledHere(row, deps.now()) : standing.fact;
  const at = Math.floor(deps.meterNow());
  return deps.db.transaction(async (tx) => {
    const paymentIntent = standing?.paymentIntent ?? null;
    if (paymentIntent !== null) {
      await learnIntent(tx, row.id, { paymentIntent, checkoutSession: null }, at);
    }
    // Of what is still under way Stripe tells by itself, by its own clock.
    return fact !== null && ENDED.includes(fact.status) ? takeFact(tx, row.id, fact, at) : null;
  });
}

interface Standing {
  fact: StatusFact | null;
  paymentIntent: string | null;
}

async function cancelAtStripe(
  stripe: Stripe,
  row: PaymentRow,
  now: number,
): Promise<Standing | null> {
  const { paymentIntent, checkoutSession } = row;
  // By no key of ours: under one Stripe says for a day what it said first, though it may say yes now.
  try {
    if (checkoutSession !== null) {
      const { sessions } = stripe.checkout;
      const session = await orAsItIs(
        () => sessions.expire(checkoutSession),
        () => sessions.retrieve(checkoutSession),
      );
      const fact = readCheckout(session, wholeSeconds(now));
      return { fact, paymentIntent: idOf(session.payment_intent) };
    }
    // Its secret was given to nobody: whatever Stripe may have of it, it can't be paid.
    if (paymentIntent === null) return null;
    const intents = stripe.paymentIntents;
    const intent = await orAsItIs(
      () => intents.cancel(paymentIntent),
      () => intents.retrieve(paymentIntent),
    );
    return { fact: readIntent(intent, wholeSeconds(now)), paymentIntent };
  } catch (error) {
    throw error instanceof StripeTrouble ? error : troubleOf(error);
  }
}

/** Too late to cancel: then what it has become. */
async function orAsItIs<T>(cancel: () => Promise<T>, retrieve: () => Promise<T>): Promise<T> {
  try {
    return await cancel();
  } catch (error) {
    if (!isBeyond(error)) throw error;
    return retrieve();
  }
}

function canceledHere({ amountCents: cents, currency }: PaymentRow, now: number): StatusFact {
  const failure = null;
  return { kind: 'status', status: 'canceled', at: wholeSeconds(now), failure, cents, currency };
}

/** As Stripe's clock has them. */
function wholeSeconds(now: number): number {
  return Math.floor(now / MS_PER_SECOND) * MS_PER_SECOND;
}
