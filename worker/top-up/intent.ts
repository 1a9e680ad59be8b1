/**
 * The intent of a top-up at Stripe. It is made unconfirmed, and such a one takes no money: where Stripe
 * broke at it, and answers so under that key for a day, another one is made under another key, whatever
 * became of the first. Money is taken by confirming the intent that our row has, and no other. Stripe
 * charges an intent once ("ultimately creates at most one successful charge"), so however often, under
 * whatever key and by how many workers it is confirmed, it is paid once.
 */
import type Stripe from 'stripe';
import type { Database, Transaction } from '../../drizzle/client.ts';
import { learnIntent, lockIntent } from '../../payments/learn-intent.ts';
import { lockPayment, type PaymentRow } from '../../payments/payment-state.ts';
import type { PaymentMetadata } from '../../payments/read-object.ts';
import { isBeyond, isBroken } from '../../payments/stripe-trouble.ts';

/** An answer that never comes may be kept under the key: then what Stripe has is looked up. */
const TRIES_BEFORE_LOOKUP = 3;
/** Stripe forgets a key after 24 hours. Who was short of minutes then is not charged for it so late. */
const WANTED_MS = 23 * 3_600_000;
const INTENTS_LOOKED_UP = 100;
const ENDED: readonly string[] = ['paid', 'canceled'];

export interface IntentDeps {
  db: Database;
  stripe: Stripe;
  wallMs(): number;
  meterNow(): Promise<number>;
}

/**
 * Pays, as far as that was not done before.
 * @param tries how often it was asked for, with this one
 * @returns the intent as it stands; null: Stripe has none that could take money, and will have none
 * @throws errors of Stripe
 */
export async function payIntent(
  deps: IntentDeps,
  row: PaymentRow,
  tries: number,
): Promise<Stripe.PaymentIntent | null> {
  const isWanted = deps.wallMs() - row.createdAt <= WANTED_MS;
  const first = await firstOf(deps.stripe, row, tries, isWanted);
  if (first === null) return null;
  const { status, paymentIntent } = await keep(deps, row, first.id);
  // Another one was heard of meanwhile: that one is confirmed, and this one never.
  const intent =
    paymentIntent === first.id ? first : await deps.stripe.paymentIntents.retrieve(paymentIntent);
  if (isUntried(intent) && isWanted && !ENDED.includes(status)) {
    return withoutPerson(deps.stripe, await confirm(deps.stripe, intent, row, tries));
  }
  return isUntried(intent) ? cancel(deps.stripe, intent) : withoutPerson(deps.stripe, intent);
}

async function firstOf(
  stripe: Stripe,
  row: PaymentRow,
  tries: number,
  isWanted: boolean,
): Promise<Stripe.PaymentIntent | null> {
  if (row.paymentIntent !== null) return stripe.paymentIntents.retrieve(row.paymentIntent);
  const isLookedUp = !isWanted || tries > TRIES_BEFORE_LOOKUP;
  const found = isLookedUp ? await lookUp(stripe, row) : null;
  return found ?? (isWanted ? make(stripe, row, tries) : null);
}

async function lookUp(stripe: Stripe, row: PaymentRow): Promise<Stripe.PaymentIntent | null> {
  const customer = row.customer!;
  const { data } = await stripe.paymentIntents.list({ customer, limit: INTENTS_LOOKED_UP });
  const ours = data.filter(({ metadata }) => metadata.purchase === row.id);
  // Begun twice, where Stripe broke: what has become of one is more than that another was begun.
  return ours.find((it) => !isUntried(it)) ?? ours[0] ?? null;
}

function make(stripe: Stripe, row: PaymentRow, tries: number): Promise<Stripe.PaymentIntent> {
  const { id: purchase, org, currency, amountCents: amount } = row;
  const metadata = { purchase, org } satisfies PaymentMetadata;
  return underKey(`top-up-${purchase}`, tries, (options) =>
    stripe.paymentIntents.create(
      {
        ...{ amount, currency, customer: row.customer!, payment_method: row.paymentMethod! },
        // Nobody is there to be sent to another page.
        automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
        ...{ metadata, description: `Extra minutes: ${row.package}` },
      },
      options,
    ),
  );
}

/**
 * Where Stripe broke, by another key. One that Stripe knows with other words was asked for at once with
 * its confirmation, as versions before this did: that may have taken money, and is only looked up.
 */
async function underKey<T>(
  idempotencyKey: string,
  tries: number,
  ask: (options: Stripe.RequestOptions) => Promise<T>,
): Promise<T> {
  try {
    return await ask({ idempotencyKey });
  } catch (error) {
    if (!isBroken(error)) throw error;
    return ask({ idempotencyKey: `${idempotencyKey}-${tries}` });
  }
}

/** Takes down that it is this payment's, before it may take money; the first one that is heard of stays. */
async function keep(
  { db, meterNow }: IntentDeps,
  { id }: PaymentRow,
  paymentIntent: string,
): Promise<{ status: PaymentRow['status']; paymentIntent: string }> {
  const at = await meterNow();
  return db.transaction(async (tx) => {
    await lockIntent(tx, paymentIntent);
    const isFirst = (await rowOf(tx, id)).paymentIntent === null;
    if (isFirst) await learnIntent(tx, id, { paymentIntent, checkoutSession: null }, at);
    const { status, paymentIntent: kept } = await rowOf(tx, id);
    return { status, paymentIntent: kept! };
  });
}

const rowOf = async (tx: Transaction, id: string) => (await lockPayment(tx, id))!.row;

/** Nothing has become of it yet: it could still be confirmed. */
function isUntried({ status, last_payment_error: error }: Stripe.PaymentIntent): boolean {
  return (
    status === 'requires_confirmation' || (status === 'requires_payment_method' && error === null)
  );
}

async function confirm(
  stripe: Stripe,
  { id }: Stripe.PaymentIntent,
  row: PaymentRow,
  tries: number,
): Promise<Stripe.PaymentIntent> {
  const how = { off_session: true, payment_method: row.paymentMethod! };
  try {
    return await underKey(`confirm-top-up-${row.id}`, tries, (options) =>
      stripe.paymentIntents.confirm(id, how, options),
    );
  } catch (error) {
    if (!isBeyond(error)) throw error;
    const intent = await stripe.paymentIntents.retrieve(id);
    // Confirmed before, and the answer lost; or refused for what it is.
    if (isUntried(intent)) throw error;
    return intent;
  }
}

/** Nobody is there to confirm it: it must not be paid later, beside one that is bought by hand. */
function withoutPerson(stripe: Stripe, intent: Stripe.PaymentIntent) {
  return intent.status === 'requires_action' ? cancel(stripe, intent) : intent;
}

/** By no key of ours: under one Stripe says for a day what it said first. */
async function cancel(stripe: Stripe, { id }: Stripe.PaymentIntent): Promise<Stripe.PaymentIntent> {
  try {
    return await stripe.paymentIntents.cancel(id);
  } catch (error) {
    if (!isBeyond(error)) throw error;
    return stripe.paymentIntents.retrieve(id);
  }
}
