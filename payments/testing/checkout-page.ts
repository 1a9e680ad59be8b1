/** The hosted page of a checkout session, and the bank's page that asks a person. */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { ApiError, invalidParameter } from './api-error.ts';
import { cardByNumber } from './cards.ts';
import { expireSessions, payWith } from './checkout-payment.ts';
import { type Params, parseForm } from './form-body.ts';
import { text } from './parameters.ts';
import { authenticatePayment } from './payment-attempt.ts';
import { methodById } from './payment-methods.ts';
import { authenticateSetup } from './setup-intents.ts';

export interface Page {
  status: number;
  /** An address, when it sends on. */
  location?: string;
  html: string;
}

const escapeHtml = (value: string) =>
  value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

function pageOf(title: string, body: string, status = 200): Page {
  const html = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<body style="font:16px system-ui;max-width:28rem;margin:3rem auto">
<p><strong>Test payment.</strong> No money moves: this page belongs to a stand-in for Stripe.</p>
<h1>${escapeHtml(title)}</h1>
${body}
</body></html>`;
  return { status, html };
}

const sendOn = (location: string): Page => ({ status: 303, location, html: '' });

function asksForBank(session: Stripe.Checkout.Session): Page {
  const buttons = ['passed', 'failed']
    .map((as) => {
      const label = as === 'passed' ? 'Complete authentication' : 'Fail authentication';
      return `<button name="authentication" value="${as}">${label}</button>`;
    })
    .join('\n');
  return pageOf(
    'Your bank asks',
    `<form method="post" action="/c/pay/${session.id}">${buttons}</form>`,
  );
}

function payForm(session: Stripe.Checkout.Session, error = ''): Page {
  const amount = `${((session.amount_total ?? 0) / 100).toFixed(2)} ${session.currency?.toUpperCase()}`;
  const back =
    session.cancel_url === null
      ? ''
      : `<p><a href="${escapeHtml(session.cancel_url)}">Back</a></p>`;
  const body = `${error === '' ? '' : `<p role="alert">${escapeHtml(error)}</p>`}
<form method="post" action="/c/pay/${session.id}">
<p><label>Card number <input name="number" value="4242 4242 4242 4242" autocomplete="off"></label></p>
<p><button name="pay" value="1">Pay ${escapeHtml(amount)}</button></p>
</form>${back}`;
  return pageOf(`Pay ${amount}`, body, error === '' ? 200 : 402);
}

/** @throws ApiError 402 as the card says */
function press(account: Account, session: Stripe.Checkout.Session, form: Params): void {
  const authentication = text(form, 'authentication');
  if (authentication !== null) {
    const intent = find(account.intents, session.payment_intent as string, 'payment_intent');
    authenticatePayment(account, intent, authentication === 'passed');
    if (intent.status !== 'requires_payment_method') return;
    throw new ApiError(402, {
      ...{
        type: 'card_error',
        message: intent.last_payment_error?.message ?? 'Not authenticated.',
      },
    });
  }
  // A test id like pm_card_visa is fine too.
  const given = text(form, 'number') ?? '4242424242424242';
  const card = cardByNumber(given);
  if (card === undefined && !given.startsWith('pm_')) {
    throw invalidParameter('number', 'incorrect_number', 'Your card number is incorrect.');
  }
  payWith(account, session, methodById(account, card?.alias ?? given, 'number'));
}

/** GET shows it, POST pays: `number` (4242 4242 4242 4242 when none is given). */
export function checkoutPage(account: Account, id: string, method: string, body: string): Page {
  expireSessions(account);
  const session = account.sessions.get(id);
  if (session === undefined) return pageOf('There is no such page.', '', 404);
  const done = (session.success_url ?? '').replaceAll('{CHECKOUT_SESSION_ID}', id);
  if (session.status === 'complete') return sendOn(done);
  if (session.status === 'expired') return pageOf('This page has expired.', '', 410);
  if (method !== 'POST') return payForm(session);
  try {
    press(account, session, parseForm(body));
  } catch (error) {
    if (error instanceof ApiError) return payForm(session, error.message);
    throw error;
  }
  // Pressing has changed it.
  const { status } = account.sessions.get(id)!;
  return (status as string) === 'complete' ? sendOn(done) : asksForBank(session);
}

/**
 * What the script of the page asks in the bank's stead: POST with `client_secret` and
 * `result` (passed, failed). GET shows two buttons to whoever was sent here by a redirect.
 */
export function bankPage(account: Account, id: string, method: string, body: string): Page {
  const intent = account.intents.get(id) ?? account.setupIntents.get(id);
  if (intent === undefined) return pageOf('There is no such page.', '', 404);
  if (method !== 'POST') {
    const secret = `<input type="hidden" name="client_secret" value="${intent.client_secret}">`;
    const form = `<form method="post">${secret}
<button name="result" value="passed">Complete authentication</button>
<button name="result" value="failed">Fail authentication</button></form>`;
    return pageOf('Your bank asks', form);
  }
  const form = parseForm(body);
  if (text(form, 'client_secret') !== intent.client_secret) return pageOf('Not yours.', '', 403);
  if (intent.status !== 'requires_action') return pageOf('Nothing is asked any more.', '', 409);
  const returnUrl = intent.next_action?.redirect_to_url?.return_url ?? null;
  const isPassed = text(form, 'result') === 'passed';
  if (intent.object === 'payment_intent') authenticatePayment(account, intent, isPassed);
  else authenticateSetup(account, id, isPassed);
  if (returnUrl === null) return pageOf('Thank you.', '');
  const back = new URL(returnUrl);
  back.searchParams.set('payment_intent', id);
  back.searchParams.set('payment_intent_client_secret', intent.client_secret ?? '');
  back.searchParams.set('redirect_status', isPassed ? 'succeeded' : 'failed');
  return sendOn(back.href);
}
