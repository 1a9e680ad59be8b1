/** A customer that is at Stripe already, given to an organization. */
import { and, eq, ne, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '../drizzle/client.ts';
import { stripeCustomers } from '../drizzle/schema/payments.ts';
import { orNull } from './stripe-trouble.ts';

export interface GivenCustomer {
  org: string;
  customer: string;
  livemode: boolean;
}

/**
 * Why it can't be this organization's, by what Stripe says; null: it can.
 * @throws errors of Stripe, but where it has no such customer
 */
export async function whyNotAtStripe(
  stripe: Stripe,
  { org, customer, livemode }: GivenCustomer,
): Promise<string | null> {
  const mode = livemode ? 'live' : 'test';
  const found = await orNull(() => stripe.customers.retrieve(customer));
  if (found === null) {
    return `Stripe has no customer "${customer}" for the key of this installation, which is of ${mode} mode. Look for its id in the dashboard, in that mode.`;
  }
  if (found.deleted) return `The customer "${customer}" was deleted at Stripe. Give another one.`;
  if (found.livemode !== livemode) {
    return `The customer "${customer}" is not of ${mode} mode, as the key of this installation is. Give one that is.`;
  }
  const other = found.metadata.org;
  if (other === undefined || other === org) return null;
  return `The customer "${customer}" is of the organization "${other}", by its metadata at Stripe. Give another one, or change what they say.`;
}

/**
 * Takes it down. A card that was saved for another customer is not kept: Stripe takes it for that one only.
 * @param tx one that sees all organizations
 * @returns whose customer it is already, and stays; null: done
 */
export async function giveCustomer(
  tx: Transaction,
  { org, customer, livemode }: GivenCustomer,
): Promise<string | null> {
  await tx.execute(
    sql`select pg_advisory_xact_lock(hashtextextended(${`stripe customer ${customer}`}, 0))`,
  );
  const [other] = await tx
    .select({ org: stripeCustomers.org })
    .from(stripeCustomers)
    .where(and(eq(stripeCustomers.customer, customer), ne(stripeCustomers.org, org)));
  if (other !== undefined) return other.org;
  const fresh = { customer, livemode, paymentMethod: null, paymentMethodLabel: null };
  await tx
    .insert(stripeCustomers)
    .values({ org, ...fresh })
    .onConflictDoUpdate({
      target: stripeCustomers.org,
      set: { ...fresh, paymentMethodAt: null },
      setWhere: ne(stripeCustomers.customer, customer),
    });
  return null;
}
