/**
 * Compares the payments of the last days with what Stripe says of them. What a webhook should have
 * told and did not is taken down by the same facts, so a webhook that comes later after all changes
 * nothing. What can't be put right by a fact is left to a person, and said.
 */
import { and, eq, lt, ne, notInArray } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Database } from '../drizzle/client.ts';
import type { LeftOver, MissedFact } from '../drizzle/schema/payment-checks.ts';
import { payments } from '../drizzle/schema/payments.ts';
import type { Fact } from './facts.ts';
import { learnIntent } from './learn-intent.ts';
import type { PaymentRow } from './payment-state.ts';
import {
  idOf,
  readCharge,
  readCheckout,
  readDispute,
  readIntent,
  readRefund,
} from './read-object.ts';
import { takeFact } from './take-fact.ts';

const DAY_MS = 86_400_000;
const PAGE_ITEMS = 100;
/** Beyond it the rest waits for the next check: a check must end. */
const MOST_OBJECTS = 100_000;
/** A purchase without an intent for so long never got one: its request broke off. */
const LOST_AFTER_MS = DAY_MS;

export interface PaymentCheck {
  /** objects that were compared */
  looked: number;
  missed: MissedFact[];
  leftOver: LeftOver[];
}

export interface CheckOptions {
  db: Database;
  stripe: Stripe;
  livemode: boolean;
  days: number;
  /** epoch ms by the wall clock: Stripe's */
  wallNow: number;
  /** meter instant */
  meterNow: number;
}

/** @throws what Stripe's library throws, when Stripe can't be asked: what was found so far stays */
export async function checkPayments(options: CheckOptions): Promise<PaymentCheck> {
  const { stripe, days, wallNow } = options;
  const found: PaymentCheck = { looked: 0, missed: [], leftOver: [] };
  const take = taker(options, found);
  const window = { created: { gte: Math.floor((wallNow - days * DAY_MS) / 1_000) } };
  const page = { ...window, limit: PAGE_ITEMS };

  for await (const intent of stripe.paymentIntents.list({
    ...page,
    expand: ['data.latest_charge'],
  })) {
    if (!goesOn(found)) return found;
    const purchase = intent.metadata.purchase;
    if (purchase === undefined) continue;
    await take.intent(purchase, intent);
  }
  for await (const refund of stripe.refunds.list(page)) {
    if (!goesOn(found)) return found;
    await take.byIntent(idOf(refund.payment_intent), readRefund(refund));
  }
  for await (const dispute of stripe.disputes.list(page)) {
    if (!goesOn(found)) return found;
    await take.byIntent(idOf(dispute.payment_intent), readDispute(dispute));
  }
  await checkOpen(options, found, take);
  return found;
}

function goesOn(found: PaymentCheck): boolean {
  found.looked += 1;
  if (found.looked <= MOST_OBJECTS) return true;
  found.leftOver.push({
    object: 'check',
    why: `Stripe has more than ${MOST_OBJECTS} objects of these days: ask for fewer days.`,
  });
  return false;
}

type Taker = ReturnType<typeof taker>;

function taker({ db, livemode, wallNow, meterNow }: CheckOptions, found: PaymentCheck) {
  async function facts(row: PaymentRow, all: readonly (Fact | null)[]): Promise<void> {
    for (const fact of all) {
      // It stands so now; when it came to stand so, only its event says.
      if (fact === null || (fact.kind === 'status' && fact.status === row.status)) continue;
      const taken = await db.transaction((tx) => takeFact(tx, row.id, fact, meterNow));
      if (taken?.taken === 'applied') found.missed.push({ payment: row.id, what: wordOf(fact) });
      if (taken?.taken === 'refused') found.leftOver.push({ object: row.id, why: taken.why });
    }
  }
  return {
    facts,
    async intent(purchase: string, intent: Stripe.PaymentIntent): Promise<void> {
      const [row] = await db.select().from(payments).where(eq(payments.id, purchase));
      if (row === undefined) {
        if (intent.status === 'succeeded') found.leftOver.push(stranger(intent, purchase));
        return;
      }
      if (row.livemode !== livemode) return;
      if (row.paymentIntent !== null && row.paymentIntent !== intent.id) {
        const why = `It names purchase ${purchase}, which is paid by ${row.paymentIntent}.`;
        if (intent.status === 'succeeded') found.leftOver.push({ object: intent.id, why });
        return;
      }
      if (row.paymentIntent === null) {
        const names = { paymentIntent: intent.id, checkoutSession: null };
        await db.transaction((tx) => learnIntent(tx, row.id, names, meterNow));
      }
      const charge = intent.latest_charge;
      const ofCharge = charge === null || typeof charge === 'string' ? [] : readCharge(charge);
      await facts(row, [readIntent(intent, wallNow), ...ofCharge]);
    },
    /** Of an object that names an intent; those of other products of the account are passed over. */
    async byIntent(id: string | null, fact: Fact | null): Promise<void> {
      if (id === null) return;
      const [row] = await db.select().from(payments).where(eq(payments.paymentIntent, id));
      if (row !== undefined) await facts(row, [fact]);
    },
  };
}

function stranger({ id, amount, currency }: Stripe.PaymentIntent, purchase: string): LeftOver {
  return {
    object: id,
    why: `${amount} ${currency} were paid for purchase ${purchase}, which is not known here: is it of another installation with this Stripe account?`,
  };
}

function wordOf(fact: Fact): string {
  switch (fact.kind) {
    case 'status':
      return fact.status;
    case 'charge':
      return `refunded ${fact.refundedCents}`;
    case 'refund':
      return `refund ${fact.id} ${fact.status}`;
    case 'dispute':
      return `dispute ${fact.id} ${fact.status}`;
  }
}

/** Ours that Stripe's lists did not have: begun before these days, or never begun there. */
async function checkOpen(options: CheckOptions, found: PaymentCheck, take: Taker): Promise<void> {
  const { db, stripe, livemode, wallNow } = options;
  const open = await db
    .select()
    .from(payments)
    .where(
      and(
        notInArray(payments.status, ['paid', 'canceled']),
        ne(payments.method, 'test'),
        eq(payments.livemode, livemode),
        lt(payments.createdAt, wallNow - LOST_AFTER_MS),
      ),
    );
  for (const row of open) {
    if (!goesOn(found)) return;
    if (row.paymentIntent !== null) {
      const intent = await stripe.paymentIntents.retrieve(row.paymentIntent);
      await take.facts(row, [readIntent(intent, wallNow)]);
    } else if (row.checkoutSession !== null) {
      await checkSession(options, row, take);
    } else {
      await take.facts(row, [canceled(wallNow)]);
    }
  }
}

/** Checkout makes its intent when it is paid; one that is over without it never will be. */
async function checkSession(
  { stripe, wallNow }: CheckOptions,
  row: PaymentRow,
  take: Taker,
): Promise<void> {
  const session = await stripe.checkout.sessions.retrieve(row.checkoutSession!, {
    expand: ['payment_intent'],
  });
  const intent = session.payment_intent;
  if (intent !== null && typeof intent !== 'string') return take.intent(row.id, intent);
  await take.facts(row, [readCheckout(session, wallNow)]);
}

const canceled = (at: number): Fact => ({
  kind: 'status',
  status: 'canceled',
  at,
  failure: null,
  cents: 0,
  currency: '',
});
