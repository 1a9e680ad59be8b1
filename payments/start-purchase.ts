/**
 * Begins the payment of a purchase at Stripe. Its row is there before Stripe hears of it, and every
 * call has an idempotency key of the row's id: whatever is lost on the way, the same purchase asked for
 * again finds the same intent, and an event of it finds the row by its metadata.
 */
import type Stripe from 'stripe';
import type { Transaction } from '../drizzle/client.ts';
import { type CustomerDeps, customerOf, turnOf } from './customer.ts';
import { learnIntent, lockIntent, type StripeNames } from './learn-intent.ts';
import { lockPayment, type PaymentRow } from './payment-state.ts';
import { idOf, type PaymentMetadata } from './read-object.ts';
import { isKeySpent, isMissing, StripeTrouble, troubleOf } from './stripe-trouble.ts';
import { takeFact } from './take-fact.ts';

const MS_PER_SECOND = 1_000;
/** An organization's latest at Stripe. */
const LOOKED_AT = 100;

export interface StartDeps extends CustomerDeps {
  /** meter time, epoch ms */
  meterNow(): number;
}

export interface ReturnUrls {
  success: string;
  cancel: string;
}

/** What whoever asks decides, beside the purchase itself. */
export interface PayingBy {
  /** for method `checkout` */
  urls: ReturnUrls | null;
  /** for method `paymentIntent`: also by ways that leave the page, and a recording with it */
  allowsRedirects: boolean;
}

/** What the buyer's browser goes on with; null where there is nothing to go on with any more. */
export interface Started {
  clientSecret: string | null;
  checkoutUrl: string | null;
}

const NOTHING: Started = { clientSecret: null, checkoutUrl: null };

/**
 * Also for one that was begun before: then it is the same payment.
 * @throws StripeTrouble: `refused` leaves the purchase failed, the others as it was
 */
export async function startAtStripe(
  deps: StartDeps,
  row: PaymentRow,
  by: PayingBy,
): Promise<Started> {
  if (!isNamed(row) && row.status === 'failed') {
    throw new StripeTrouble('refused', row.failureCode ?? 'failed', row.failureMessage ?? '');
  }
  if (row.status === 'paid' || row.status === 'canceled') return NOTHING;
  try {
    return await goOn(deps, row, by);
  } catch (error) {
    const trouble = error instanceof StripeTrouble ? error : troubleOf(error);
    if (trouble.kind === 'refused' && !isNamed(row)) await noteRefusal(deps, row, trouble);
    throw trouble;
  }
}

function isNamed({ method, checkoutSession, paymentIntent }: PaymentRow): boolean {
  return (method === 'checkout' ? checkoutSession : paymentIntent) !== null;
}

async function goOn(deps: StartDeps, row: PaymentRow, by: PayingBy): Promise<Started> {
  if (isNamed(row)) return (await found(deps, row)).started;
  const { started, names } = await begun(deps, row, by);
  const known = await learn(deps, row.id, names);
  // Meanwhile, by another call: then nobody is to pay for it.
  if (known.status === 'canceled') return NOTHING;
  const isOther = names.paymentIntent !== null && known.paymentIntent !== names.paymentIntent;
  // An event told of one whose answer was lost.
  return isOther ? (await found(deps, known)).started : started;
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

async function begun(deps: StartDeps, row: PaymentRow, by: PayingBy): Promise<AtStripe> {
  const { org, id } = row;
  let customer = await customerOf(deps, org);
  try {
    return await create(deps, row, { customer, by, key: `purchase-${id}-${customer}` });
  } catch (error) {
    if (isMissing(error, 'customer')) customer = await customerOf(deps, org, customer);
    else if (!isKeySpent(error)) throw error;
    // What it did under the key all the same is asked for.
    const made = isKeySpent(error) ? await madeBefore(deps, row, customer) : null;
    const key = `purchase-${id}-${customer}-${turnOf(deps.now())}`;
    return made ?? create(deps, row, { customer, by, key });
  }
}

async function madeBefore(
  { stripe }: StartDeps,
  { id, method }: PaymentRow,
  customer: string,
): Promise<AtStripe | null> {
  const isOurs = ({ metadata }: { metadata: Stripe.Metadata | null }) => metadata?.purchase === id;
  const recent = { customer, limit: LOOKED_AT };
  if (method === 'checkout') {
    const session = (await stripe.checkout.sessions.list(recent)).data.find(isOurs);
    return session === undefined ? null : ofSession(session);
  }
  const intent = (await stripe.paymentIntents.list(recent)).data.find(isOurs);
  return intent === undefined ? null : ofIntent(intent);
}

interface Creating {
  customer: string;
  by: PayingBy;
  key: string;
}

async function create(
  { stripe }: StartDeps,
  row: PaymentRow,
  { customer, by: { urls, allowsRedirects }, key: idempotencyKey }: Creating,
): Promise<AtStripe> {
  const { id: purchase, org, amountCents: amount, currency } = row;
  const metadata = { purchase, org } satisfies PaymentMetadata;
  // Of the row, or of a body that is held to its key: asked again it must be word for word the same.
  const description = `Extra minutes: ${row.package}`;
  const options = { idempotencyKey };
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
  const allow_redirects = allowsRedirects ? ('always' as const) : ('never' as const);
  const automatic_payment_methods = { enabled: true, allow_redirects };
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

/** @returns the purchase as it is then, with the intent it had before if it had one */
function learn(deps: StartDeps, id: string, names: StripeNames): Promise<PaymentRow> {
  const at = Math.floor(deps.meterNow());
  return deps.db.transaction(async (tx) => {
    if (names.paymentIntent !== null) await lockIntent(tx, names.paymentIntent);
    const { row } = (await lockPayment(tx, id))!;
    const paymentIntent = row.paymentIntent ?? names.paymentIntent;
    await learnIntent(tx, id, { ...names, paymentIntent }, at);
    return { ...row, paymentIntent };
  });
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
