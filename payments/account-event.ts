/** Events that are of an organization and of no single payment: what it owes, how it pays. */
import type Stripe from 'stripe';
import type { Transaction } from '../drizzle/client.ts';
import { readInvoice, takeInvoice } from './invoices.ts';
import { takeSavedMethod } from './saved-method.ts';

export interface AccountOutcome {
  effect: 'applied' | 'none' | 'unknown';
  /** whose meter has to hear of it */
  org: string | null;
}

/**
 * In the transaction of the event's own row. @param at meter instant
 * `unknown`: it means nothing here.
 */
export async function takeAccountEvent(
  tx: Transaction,
  event: Stripe.Event,
  at: number,
): Promise<AccountOutcome> {
  const invoice = readInvoice(event);
  if (invoice !== null) {
    const taken = await takeInvoice(tx, invoice, at);
    if (taken === null) return { effect: 'unknown', org: null };
    return { effect: taken.isNews ? 'applied' : 'none', org: taken.org };
  }
  const org = await takeSavedMethod(tx, event);
  return { effect: org === null ? 'unknown' : 'applied', org };
}
