/** How a hosted checkout session is paid, expires, and hears of its payment's end. */
import type Stripe from 'stripe';
import type { Account } from './account.ts';
import { createIntent } from './new-intent.ts';
import { attemptPayment } from './payment-attempt.ts';

type Session = Stripe.Checkout.Session;

/** Those whose time is over. Stripe does it by itself: here, whenever somebody asks anything. */
export function expireSessions(account: Account): void {
  for (const session of account.sessions.values()) {
    if (session.status === 'open' && session.expires_at <= account.nowSeconds()) {
      expireSession(account, session);
    }
  }
}

export function expireSession(account: Account, session: Session): void {
  session.status = 'expired';
  session.url = null;
  account.emit('checkout.session.expired', session);
}

/** The payment of a session is made when it is first paid, not before (since 2022-08-01). */
function intentFor(account: Account, session: Session): Stripe.PaymentIntent {
  const made = account.intents.get((session.payment_intent as string | null) ?? '');
  if (made !== undefined) return made;
  const wanted = account.sessionPayments.get(session.id)!;
  const intent = createIntent(account, {
    amount: session.amount_total!,
    currency: session.currency!,
    customer: session.customer as string | null,
    ...wanted,
    methodTypes: session.payment_method_types,
  });
  session.payment_intent = intent.id;
  return intent;
}

/**
 * The person presses the button.
 * @throws ApiError 402 when the card is declined: the session stays open
 */
export function payWith(account: Account, session: Session, method: Stripe.PaymentMethod): void {
  if (session.status !== 'open') throw new Error(`${session.id} is ${session.status}.`);
  const intent = intentFor(account, session);
  attemptPayment(account, intent, method, { isOffSession: false, returnUrl: null });
}

/** Keeps sessions in step with their payments, however these end. */
export function watchPayments(account: Account): void {
  account.onIntent.push(({ intent, to }) => {
    const session = [...account.sessions.values()].find((it) => it.payment_intent === intent.id);
    if (session === undefined) return;
    const isDelayed = session.status === 'complete';
    if (to === 'failed') {
      // An open one lets the person try another card, and says nothing.
      if (isDelayed) account.emit('checkout.session.async_payment_failed', session);
      return;
    }
    session.status = 'complete';
    session.url = null;
    session.payment_status = to === 'succeeded' ? 'paid' : 'unpaid';
    const type = isDelayed
      ? 'checkout.session.async_payment_succeeded'
      : 'checkout.session.completed';
    account.emit(type, session);
  });
}
