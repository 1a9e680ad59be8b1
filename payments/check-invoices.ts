/** Invoices that are unpaid by all that is known here: whoever has paid must not lose overage for it. */
import { and, eq, isNotNull, isNull } from 'drizzle-orm';
import type Stripe from 'stripe';
import { stripeCustomers, stripeInvoices } from '../drizzle/schema/payments.ts';
import { type CheckOptions, goesOn, leave, type PaymentCheck } from './check-findings.ts';
import { readSettled, takeInvoice } from './invoices.ts';
import { orNull, troubleOf } from './stripe-trouble.ts';

/** @throws what Stripe's library throws, but where the key may not read invoices */
export async function checkInvoices(options: CheckOptions, found: PaymentCheck): Promise<void> {
  const { db, livemode, wallNow, meterNow } = options;
  const { id, org, overdueSince, settledAt } = stripeInvoices;
  const unpaid = await db
    .select({ id })
    .from(stripeInvoices)
    .innerJoin(stripeCustomers, eq(stripeCustomers.org, org))
    .where(and(isNotNull(overdueSince), isNull(settledAt), eq(stripeCustomers.livemode, livemode)));
  for (const row of unpaid) {
    if (!goesOn(found)) return;
    const invoice = await retrieve(options, row.id, found);
    const fact = invoice && readSettled(invoice, wallNow);
    if (fact === null) continue;
    const taken = await db.transaction((tx) => takeInvoice(tx, fact, meterNow));
    if (taken !== null) found.missed.push({ payment: row.id, what: 'invoice settled' });
  }
}

async function retrieve(
  { stripe }: CheckOptions,
  id: string,
  found: PaymentCheck,
): Promise<Stripe.Invoice | null> {
  try {
    const invoice = await orNull(() => stripe.invoices.retrieve(id));
    if (invoice === null) leave(found, id);
    return invoice;
  } catch (error) {
    if (troubleOf(error).kind !== 'key') throw error;
    const why = 'It is unpaid here, and the key may not read it: give it read on Invoices.';
    found.leftOver.push({ object: id, why });
    return null;
  }
}
