/**
 * Invoices of Stripe that a customer has not paid. Of each invoice it is kept that it failed and that
 * it was settled, which is for good; since when an organization owes follows from all of them. So
 * neither the order of events nor their number matters.
 */
import { and, eq, isNotNull, isNull, min, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '../drizzle/client.ts';
import { applyLimits } from '../drizzle/queries/apply-limits.ts';
import { auditLog } from '../drizzle/schema/operations.ts';
import { organizations } from '../drizzle/schema/organizations.ts';
import { stripeCustomers, stripeInvoices } from '../drizzle/schema/payments.ts';
import { idOf } from './read-object.ts';

const MS_PER_SECOND = 1_000;

export interface InvoiceFact {
  kind: 'invoice';
  id: string;
  customer: string;
  /** `settled`: paid, or void */
  is: 'unpaid' | 'settled';
  /** epoch ms by Stripe's clock */
  at: number;
  cents: number;
  currency: string | null;
  url: string | null;
}

/** null: the event is of something else. */
export function readInvoice(event: Stripe.Event): InvoiceFact | null {
  switch (event.type) {
    case 'invoice.payment_failed':
      return factOf(event.data.object, 'unpaid', event.created);
    case 'invoice.paid':
    case 'invoice.voided':
      return factOf(event.data.object, 'settled', event.created);
    default:
      return null;
  }
}

/** Of an invoice as it stands at `at`, epoch ms; null: it is not paid, and not void. */
export function readSettled(invoice: Stripe.Invoice, at: number): InvoiceFact | null {
  const isSettled = invoice.status === 'paid' || invoice.status === 'void';
  return isSettled ? factOf(invoice, 'settled', at / MS_PER_SECOND) : null;
}

function factOf(invoice: Stripe.Invoice, is: InvoiceFact['is'], created: number) {
  const customer = idOf(invoice.customer);
  const { id, amount_remaining: cents = 0, currency, hosted_invoice_url: url } = invoice;
  // A preview has no id, and nobody owes it.
  if (customer === null || !id) return null;
  const at = Math.floor(created * MS_PER_SECOND);
  return { kind: 'invoice' as const, id, customer, is, at, cents, currency, url: url ?? null };
}

/**
 * In one transaction with the event.
 * @param at meter instant
 * null: Stripe's customer is none of ours.
 */
export async function takeInvoice(
  tx: Transaction,
  fact: InvoiceFact,
  at: number,
): Promise<{ org: string; isNews: boolean } | null> {
  const [customer] = await tx
    .select({ org: stripeCustomers.org })
    .from(stripeCustomers)
    .where(eq(stripeCustomers.customer, fact.customer));
  if (customer === undefined) return null;
  const { org } = customer;
  // Facts of one organization are merged one after another.
  const [before] = await tx
    .select()
    .from(organizations)
    .where(eq(organizations.id, org))
    .for('update');
  await merge(tx, org, fact, at);
  const since = await overdueSince(tx, org);
  if (since === before!.paymentOverdueSince) return { org, isNews: false };
  const ended = before!.paymentGraceEnded && since !== null;
  await tx
    .update(organizations)
    .set({ paymentOverdueSince: since, paymentGraceEnded: ended })
    .where(eq(organizations.id, org));
  if (ended !== before!.paymentGraceEnded) await applyLimits(tx, [org], at);
  const action = since === null ? 'payment.settled' : 'payment.overdue';
  await tx.insert(auditLog).values({ actor: 'stripe', action, org, subject: fact.id });
  return { org, isNews: true };
}

/** What is settled stays so, and since when one is unpaid is what was learned first. */
async function merge(tx: Transaction, org: string, fact: InvoiceFact, at: number): Promise<void> {
  const { id, cents: amountCents, currency, url } = fact;
  const unpaid = { overdueSince: at, amountCents, currency, url };
  const values = fact.is === 'unpaid' ? unpaid : { settledAt: fact.at };
  await tx
    .insert(stripeInvoices)
    .values({ id, org, ...values })
    .onConflictDoUpdate({
      target: stripeInvoices.id,
      set:
        fact.is === 'unpaid'
          ? {
              overdueSince: sql`least(${stripeInvoices.overdueSince}, excluded.overdue_since)`,
              amountCents: sql`greatest(${stripeInvoices.amountCents}, excluded.amount_cents)`,
              currency: sql`coalesce(${stripeInvoices.currency}, excluded.currency)`,
              url: sql`coalesce(${stripeInvoices.url}, excluded.url)`,
            }
          : { settledAt: sql`least(${stripeInvoices.settledAt}, excluded.settled_at)` },
    });
}

async function overdueSince(tx: Transaction, org: string): Promise<number | null> {
  const { overdueSince: since, settledAt } = stripeInvoices;
  const [row] = await tx
    .select({ since: min(since) })
    .from(stripeInvoices)
    .where(and(eq(stripeInvoices.org, org), isNotNull(since), isNull(settledAt)));
  return row?.since ?? null;
}
