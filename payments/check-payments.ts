/**
 * Compares the payments of the last days with what Stripe says of them. What a webhook should have
 * told and did not is taken down by the same facts, so a webhook that comes later after all changes
 * nothing. What can't be put right by a fact is left to a person, and said.
 */
import { type CheckOptions, goesOn, type PaymentCheck, taker } from './check-findings.ts';
import { checkInvoices } from './check-invoices.ts';
import { checkRefunds } from './check-refunds.ts';
import { checkStanding } from './check-standing.ts';
import { idOf, readDispute, readRefund } from './read-object.ts';

const DAY_MS = 86_400_000;
const PAGE_ITEMS = 100;

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
  await checkRefunds(options, found, take, page);
  for await (const dispute of stripe.disputes.list(page)) {
    if (!goesOn(found)) return found;
    await take.byIntent(idOf(dispute.payment_intent), readDispute(dispute));
  }
  await checkInvoices(options, found);
  await checkStanding(options, found, take);
  return found;
}
