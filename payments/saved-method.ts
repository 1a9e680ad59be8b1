/**
 * The payment method an organization has saved for payments without a person at hand. Of several the
 * one saved last holds, by Stripe's clock; one that was taken away does not come back, whichever of
 * the events is heard first.
 */
import { and, desc, eq, isNull, lte, or, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '../drizzle/client.ts';
import { stripeCustomers, stripeEvents } from '../drizzle/schema/payments.ts';
import { topUps } from '../drizzle/schema/top-ups.ts';
import { idOf } from './read-object.ts';
import { TROUBLE } from './top-up-words.ts';

const MS_PER_SECOND = 1_000;

/** Answers whose it is; null: the event is of something else, or of nobody here. */
export async function takeSavedMethod(
  tx: Transaction,
  event: Stripe.Event,
): Promise<string | null> {
  const at = event.created * MS_PER_SECOND;
  if (event.type === 'setup_intent.succeeded') {
    const { customer, payment_method: method } = event.data.object;
    return save(tx, idOf(customer), idOf(method), at);
  }
  if (event.type === 'payment_method.detached') return forget(tx, event.data.object.id, at);
  return null;
}

async function save(tx: Transaction, customer: string | null, method: string | null, at: number) {
  if (customer === null || method === null) return null;
  if (await wasDetached(tx, method)) return null;
  const { paymentMethodAt: savedAt } = stripeCustomers;
  const [row] = await tx
    .update(stripeCustomers)
    .set({
      ...{ paymentMethod: method, paymentMethodAt: at },
      paymentMethodLabel: await labelOf(tx, method),
    })
    .where(and(eq(stripeCustomers.customer, customer), or(isNull(savedAt), lte(savedAt, at))))
    .returning({ org: stripeCustomers.org });
  if (row === undefined) return null;
  // What waited for a card waits no more.
  await tx
    .update(topUps)
    .set({ pausedUntil: null, trouble: null })
    .where(and(eq(topUps.org, row.org), eq(topUps.trouble, TROUBLE.noMethod)));
  return row.org;
}

async function forget(tx: Transaction, method: string, at: number): Promise<string | null> {
  const [row] = await tx
    .update(stripeCustomers)
    .set({ paymentMethod: null, paymentMethodLabel: null, paymentMethodAt: at })
    .where(eq(stripeCustomers.paymentMethod, method))
    .returning({ org: stripeCustomers.org });
  return row?.org ?? null;
}

/** Both were heard of as events, which are kept. */
async function wasDetached(tx: Transaction, method: string): Promise<boolean> {
  return (await toldOf(tx, 'payment_method.detached', method)) !== undefined;
}

async function labelOf(tx: Transaction, method: string): Promise<string | null> {
  const told = await toldOf(tx, 'payment_method.attached', method);
  const card = (told?.payload as Stripe.PaymentMethodAttachedEvent | undefined)?.data.object.card;
  return card ? `${card.brand} ${card.last4}` : null;
}

async function toldOf(tx: Transaction, type: string, method: string) {
  const [row] = await tx
    .select()
    .from(stripeEvents)
    .where(
      and(
        eq(stripeEvents.type, type),
        sql`${stripeEvents.receivedAt} > now() - interval '7 days'`,
        sql`${stripeEvents.payload} #>> '{data,object,id}' = ${method}`,
      ),
    )
    .orderBy(desc(stripeEvents.receivedAt))
    .limit(1);
  return row;
}
