/** What a comparison with Stripe has found, and how it is taken down: as facts, like a webhook's. */
import { eq, or } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Database } from '../drizzle/client.ts';
import type { LeftOver, MissedFact } from '../drizzle/schema/payment-checks.ts';
import { payments } from '../drizzle/schema/payments.ts';
import type { Fact } from './facts.ts';
import { learnIntent } from './learn-intent.ts';
import type { PaymentRow } from './payment-state.ts';
import { readCharge, readIntent } from './read-object.ts';
import { takeFact } from './take-fact.ts';

/** Beyond it the rest waits for the next check: a check must end. */
const MOST_OBJECTS = 100_000;

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

/** Counts an object; false: it was one too many. */
export function goesOn(found: PaymentCheck): boolean {
  found.looked += 1;
  if (found.looked <= MOST_OBJECTS) return true;
  if (found.looked > MOST_OBJECTS + 1) return false;
  found.leftOver.push({
    object: 'check',
    why: `Stripe has more than ${MOST_OBJECTS} objects of these days: ask for fewer days.`,
  });
  return false;
}

/** Of what is asked for by its id. */
export function leave(found: PaymentCheck, object: string): void {
  found.leftOver.push({ object, why: 'Stripe does not have it: is the key of another account?' });
}

export type Taker = ReturnType<typeof taker>;

export function taker({ db, livemode, wallNow, meterNow }: CheckOptions, found: PaymentCheck) {
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
      const either = or(eq(payments.id, purchase), eq(payments.paymentIntent, intent.id));
      const rows = await db.select().from(payments).where(either);
      const row = rows.find(({ id }) => id === purchase);
      if (row === undefined) {
        if (intent.status === 'succeeded') found.leftOver.push(stranger(intent, purchase));
        return;
      }
      if (row.livemode !== livemode) return;
      const other = rows.find(({ id }) => id !== purchase)?.id;
      if (other !== undefined || (row.paymentIntent ?? intent.id) !== intent.id) {
        const but = other === undefined ? `is paid by ${row.paymentIntent}` : `is not ${other}`;
        const why = `It names purchase ${purchase}, which ${but}.`;
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
