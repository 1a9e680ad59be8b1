/**
 * Begins the payment of a purchase at Stripe. Its row is there before Stripe hears of it, and every
 * call has an idempotency key of the row's id: whatever is lost on the way, the same purchase asked for
 * again finds the same intent, and an event of it finds the row by its metadata.
 */
import { eq } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '../drizzle/client.ts';
import { payments } from '../drizzle/schema/payments.ts';
import { type CustomerDeps, customerOf } from './customer.ts';
import { learnIntent, type StripeNames } from './learn-intent.ts';
import type { PaymentRow } from './payment-state.ts';
import { idOf, type PaymentMetadata } from './read-object.ts';
import { isMissing, StripeTrouble, troubleOf } from './stripe-trouble.ts';
import { takeFact } from './take-fact.ts';

const MS_PER_SECOND = 1_000;

export interface StartDeps extends CustomerDeps {
  /** wall clock, epoch ms */
  now(): number;
  /** meter time, epoch ms */
  meterNow(): number;
}

export interface ReturnUrls {
  success: string;
  cancel: string;
}

/** What the buyer's browser goes on with; null where there is nothing to go on with any more. */
export interface Started {
  clientSecret: string | null;
  checkoutUrl: string | null;
}

const NOTHING: Started = { clientSecret: null, checkoutUrl: null };

/**
 * Also for one that was begun before: then it is the same payment.
 * @param urls for method `checkout`
 * @throws StripeTrouble: `refused` leaves the purchase failed, the others as it was
 */
export async function startAtStripe(
  deps: StartDeps,
  row: PaymentRow,
  urls: ReturnUrls | null,
): Promise<Started> {
  const isNamed = row.paymentIntent !== null || row.checkoutSession !== null;
  if (!isNamed && row.status === 'failed') {
    throw new StripeTrouble('refused', row.failureCode ?? 'failed', row.failureMessage ?? '');
  }
  if (row.status === 'paid' || row.status === 'canceled') return NOTHING;
  try {
    const { started, names } = isNamed ? await found(deps, row) : await begun(deps, row, urls);
    if (!isNamed) await learn(deps, row.id, names);
    return (await isCanceled(deps, row.id)) ? NOTHING : started;
  } catch (error) {
    const trouble = error instanceof StripeTrouble ? error : troubleOf(error);
    if (trouble.kind === 'refused' && !isNamed) await noteRefusal(deps, row, trouble);
    throw trouble;
  }
}

interface AtStripe {
  started: Started;
  names: StripeNames;
}

async function found({ stripe }: StartDeps, row: PaymentRow): Promise<AtStripe> {
  if (row.method === 'checkout') {
    return ofSession(await stripe.checkout.sessions.retrieve(row.checkoutSession!));
  }
  return ofIntent(await stripe.paymentIntents.retrieve(row.paymentIntent!));
}

async function begun(deps: StartDeps, row: PaymentRow, urls: ReturnUrls | null): Promise<AtStripe> {
  const { org } = row;
  const customer = await customerOf(deps, org);
  try {
    return await create(deps, row, customer, urls);
  } catch (error) {
    if (!isMissing(error, 'customer')) throw error;
    return create(deps, row, await customerOf(deps, org, customer), urls);
  }
}

async function create(
  { stripe }: StartDeps,
  row: PaymentRow,
  customer: string,
  urls: ReturnUrls | null,
): Promise<AtStripe> {
  const { id: purchase, org, amountCents: amount, currency } = row;
  const metadata = { purchase, org } satisfies PaymentMetadata;
  // All of it from the row: what is asked for again must be word for word the same.
  const description = `Extra minutes: ${row.package}`;
  const options = { idempotencyKey: `purchase-${purchase}-${customer}` };
  if (row.method === 'checkout') {
    const price_data = { currency, unit_amount: amount, product_data: { name: description } };
    const session = await stripe.checkout.sessions.create(
      {
        mode: 'payment',
        customer,
        client_reference_id: purchase,
        line_items: [{ price_data, quantity: 1 }],
        success_url: urls!.success,
        cancel_url: urls!.cancel,
        metadata,
        payment_intent_data: { metadata, description },
      },
      options,
    );
    return ofSession(session);
  }
  const automatic_payment_methods = { enabled: true };
  return ofIntent(
    await stripe.paymentIntents.create(
      { amount, currency, customer, description, metadata, automatic_payment_methods },
      options,
    ),
  );
}

function ofIntent({ id, client_secret: clientSecret }: Stripe.PaymentIntent): AtStripe {
  return {
    started: { clientSecret, checkoutUrl: null },
    names: { paymentIntent: id, checkoutSession: null },
  };
}

/** It has an intent only once somebody pays. */
function ofSession({ id, url, payment_intent: intent }: Stripe.Checkout.Session): AtStripe {
  return {
    started: { clientSecret: null, checkoutUrl: url },
    names: { paymentIntent: idOf(intent), checkoutSession: id },
  };
}

function learn(deps: StartDeps, id: string, names: StripeNames): Promise<void> {
  const at = Math.floor(deps.meterNow());
  return deps.db.transaction((tx) => learnIntent(tx, id, names, at));
}

/** Meanwhile, by another call: then nobody is to pay for it. */
async function isCanceled({ db }: StartDeps, id: string): Promise<boolean> {
  const [row] = await db.select().from(payments).where(eq(payments.id, id));
  return row?.status === 'canceled';
}

async function noteRefusal(deps: StartDeps, row: PaymentRow, trouble: StripeTrouble) {
  const { code, message, intent } = trouble;
  const at = Math.floor(deps.meterNow());
  await deps.db.transaction(async (tx: Transaction) => {
    if (intent !== null) {
      await learnIntent(tx, row.id, { paymentIntent: intent.id, checkoutSession: null }, at);
    }
    const failure = { code, message };
    await takeFact(tx, row.id, { ...FAILED, ...stamp(deps, row), failure }, at);
  });
}

const FAILED = { kind: 'status', status: 'failed' } as const;

/** Of a fact that we make ourselves: Stripe's clock has whole seconds. */
function stamp({ now }: StartDeps, { amountCents: cents, currency }: PaymentRow) {
  return { at: Math.floor(now() / MS_PER_SECOND) * MS_PER_SECOND, cents, currency };
}
