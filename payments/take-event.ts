/**
 * An event of Stripe and all its effects, in one transaction: an event that is there has had its
 * effect, and has none again. Every event with a good signature is kept, whatever it means.
 */
import { eq, or } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '../drizzle/client.ts';
import { payments, stripeEvents } from '../drizzle/schema/payments.ts';
import { takeAccountEvent } from './account-event.ts';
import { learnIntent, lockIntent, takeFacts } from './learn-intent.ts';
import type { PaymentRow } from './payment-state.ts';
import { type EventReading, readEvent } from './read-event.ts';

const MS_PER_SECOND = 1_000;
/** What a person's browser may act by; nobody needs it here any more. */
const SECRET_FIELD = 'client_secret';

export interface TakenEvent {
  /** `repeated`: it was here before. `waiting`: no payment has its intent yet. */
  effect: 'applied' | 'none' | 'waiting' | 'unknown' | 'refused' | 'repeated';
  /** whose meter has to hear of it */
  org: string | null;
  payment: string | null;
  /** for a person who looks into it */
  detail: string | null;
}

/**
 * @param tx one that sees all organizations
 * @param at meter instant
 */
export async function takeEvent(
  tx: Transaction,
  event: Stripe.Event,
  at: number,
): Promise<TakenEvent> {
  const read = readEvent(event);
  // First of all: a second one with this id waits here, and then finds it.
  const stored = await tx
    .insert(stripeEvents)
    .values({
      id: event.id,
      type: event.type,
      apiVersion: event.api_version,
      livemode: event.livemode,
      createdAt: event.created * MS_PER_SECOND,
      paymentIntent: read?.paymentIntent ?? null,
      effect: 'unknown',
      payload: withoutSecrets(event),
    })
    .onConflictDoNothing()
    .returning({ id: stripeEvents.id });
  if (stored.length === 0) return { effect: 'repeated', org: null, payment: null, detail: null };
  const taken =
    read === null
      ? { payment: null, detail: null, ...(await takeAccountEvent(tx, event, at)) }
      : await take(tx, event, read, at);
  const { effect, org, payment, detail } = taken;
  await tx
    .update(stripeEvents)
    .set({ effect: effect as Exclude<typeof effect, 'repeated'>, org, payment, detail })
    .where(eq(stripeEvents.id, event.id));
  return taken;
}

async function take(
  tx: Transaction,
  event: Stripe.Event,
  read: EventReading,
  at: number,
): Promise<TakenEvent> {
  const { paymentIntent, checkoutSession, purchase } = read;
  if (paymentIntent !== null) await lockIntent(tx, paymentIntent);
  const found = await findPayments(tx, read);
  const row = purchase === null ? found[0] : found.find(({ id }) => id === purchase);
  if (row === undefined) {
    const detail = purchase === null ? null : `There is no purchase ${purchase} here.`;
    const effect = purchase === null ? 'waiting' : 'unknown';
    return { effect, org: null, payment: null, detail };
  }
  const whose = { org: row.org, payment: row.id };
  const why = whyNotOf(row, event, read) ?? whosElse(row, found, read);
  if (why !== null) return { effect: 'refused', ...whose, detail: why };
  const other = whichOther(row, read);
  if (other !== null) {
    // Begun twice, where an answer was lost: that one of them is not used harms nobody.
    const isPaid = read.facts.some((fact) => fact.kind === 'status' && fact.status === 'paid');
    return { effect: isPaid ? 'refused' : 'none', ...whose, detail: other };
  }
  await learnIntent(tx, row.id, { paymentIntent, checkoutSession }, at);
  return { ...whose, ...(await takeFacts(tx, row.id, read.facts, at)) };
}

/** By its metadata, and by its intent: two only where somebody changed the metadata. */
function findPayments(
  tx: Transaction,
  { purchase, paymentIntent }: EventReading,
): Promise<PaymentRow[]> {
  const named = purchase === null ? undefined : eq(payments.id, purchase);
  const paid = paymentIntent === null ? undefined : eq(payments.paymentIntent, paymentIntent);
  return tx
    .select()
    .from(payments)
    .where(or(named, paid))
    .orderBy(payments.id)
    .for('no key update');
}

/** Metadata may be changed by hand at Stripe: what does not fit together is for a person to look at. */
function whyNotOf(row: PaymentRow, event: Stripe.Event, { org }: EventReading): string | null {
  if (event.livemode !== row.livemode) {
    return `The event is of ${modeOf(event)} mode, purchase ${row.id} is of ${modeOf(row)} mode.`;
  }
  if (org !== null && org !== row.org) {
    return `The event is for the organization ${org}, purchase ${row.id} is of ${row.org}.`;
  }
  return null;
}

function whosElse(row: PaymentRow, found: readonly PaymentRow[], { paymentIntent }: EventReading) {
  const other = found.find(({ id }) => id !== row.id);
  if (other === undefined) return null;
  return `The event names purchase ${row.id}, and ${paymentIntent} pays purchase ${other.id}.`;
}

function whichOther(row: PaymentRow, { paymentIntent, checkoutSession }: EventReading) {
  if (paymentIntent !== null && (row.paymentIntent ?? paymentIntent) !== paymentIntent) {
    return `The event is of ${paymentIntent}, purchase ${row.id} is paid by ${row.paymentIntent}.`;
  }
  if (checkoutSession !== null && (row.checkoutSession ?? checkoutSession) !== checkoutSession) {
    return `The event is of ${checkoutSession}, purchase ${row.id} is paid in ${row.checkoutSession}.`;
  }
  return null;
}

const modeOf = ({ livemode }: { livemode: boolean }) => (livemode ? 'live' : 'test');

function withoutSecrets(event: Stripe.Event): unknown {
  return JSON.parse(
    JSON.stringify(event, (name, value) => (name === SECRET_FIELD ? undefined : value)),
  );
}
