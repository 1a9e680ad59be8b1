/** An organization's customer at Stripe: made once, with its first payment. */
import { createHash } from 'node:crypto';
import { eq } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Database } from '../drizzle/client.ts';
import { organizations } from '../drizzle/schema/organizations.ts';
import { stripeCustomers } from '../drizzle/schema/payments.ts';

/** A call that failed at Stripe fails again with its key: then another one may. */
const KEY_LASTS_MS = 60_000;

export interface CustomerDeps {
  db: Database;
  stripe: Stripe;
  livemode: boolean;
  /** wall clock, epoch ms */
  now(): number;
}

/**
 * @param instead a customer that Stripe does not know: it was made by another account
 * @throws errors of Stripe
 */
export async function customerOf(
  { db, stripe, livemode, now }: CustomerDeps,
  org: string,
  instead: string | null = null,
): Promise<string> {
  const known = await knownCustomer(db, org);
  const isOfMode = known?.livemode === livemode;
  if (known && isOfMode && known.customer !== instead) return known.customer;
  const [row] = await db.select().from(organizations).where(eq(organizations.id, org));
  const { name } = row!;
  const made = await stripe.customers.create(
    { name, metadata: { org } },
    // Two that come first at the same time make one; with another name it is another request.
    { idempotencyKey: `customer-${digestOf([org, name, instead, turnOf(now())])}` },
  );
  const { id: customer } = made;
  const fresh = { customer, livemode, paymentMethod: null, paymentMethodLabel: null };
  if (known === undefined) {
    await db
      .insert(stripeCustomers)
      .values({ org, ...fresh })
      .onConflictDoNothing();
  } else {
    await db.update(stripeCustomers).set(fresh).where(eq(stripeCustomers.org, org));
  }
  return (await knownCustomer(db, org))!.customer;
}

async function knownCustomer(db: Database, org: string) {
  const [row] = await db.select().from(stripeCustomers).where(eq(stripeCustomers.org, org));
  return row;
}

/** Part of a key that may be used again once it has lasted. */
export const turnOf = (now: number) => Math.floor(now / KEY_LASTS_MS);

/** For a key at Stripe, which may have 255 characters. */
export function digestOf(parts: readonly (string | number | null)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);
}
