/** All that the dialog says. Give your own for another language, whole or in part. */
import { money } from './money.ts';
import type { TroubleKind } from './purchase-state.ts';
import type { ExtraMinutesPackage, Purchase } from './shapes.ts';

/** Why the dialog is there. */
export type PurchaseReason = 'asked' | 'warning' | 'limit';

const MINUTE_MS = 60_000;

function length(ms: number): string {
  const minutes = ms / MINUTE_MS;
  if (minutes === 1) return '1 minute';
  return `${Number.isInteger(minutes) ? minutes : minutes.toFixed(1)} minutes`;
}

/** `0:42`, `1:04:07`. A second counts until it is gone. */
function left(ms: number): string {
  const seconds = Math.ceil(Math.max(0, ms) / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

const troubles: Record<TroubleKind, string> = {
  declined: 'The payment was declined, and nothing was charged. Try another card.',
  unreachable: 'Nobody answers. Check the connection, then try again.',
  unavailable: 'Payments cannot be made at the moment. Nothing was charged; try again shortly.',
  notConfigured: 'Extra minutes cannot be bought here. Ask your administrator for more minutes.',
  notAllowed: 'You may not buy for this organization. Ask your administrator for more minutes.',
  noPackages: 'Nothing is on sale at the moment. Ask your administrator for more minutes.',
  script:
    'The payment form did not load. A content blocker may be in its way: allow js.stripe.com, then try again.',
  canceled: 'This purchase was ended before it was paid. Nothing was charged.',
  unexpected: 'This did not work. Try again; if it fails again, ask your administrator.',
};

const statuses: Record<Purchase['status'], string> = {
  open: 'Not paid',
  requiresAction: 'Not paid yet',
  processing: 'Being confirmed',
  failed: 'Declined',
  canceled: 'Canceled',
  paid: 'Paid',
};

export const purchaseSentences = {
  title: 'Buy extra minutes',
  close: 'Close',
  leads: {
    asked: 'They serve as soon as they are paid, and last until they are used.',
    warning: 'Your recording goes on while you buy.',
    limit: 'The minutes are used up, and recording has stopped. What was recorded is safe.',
  } satisfies Record<PurchaseReason, string>,
  loading: 'Looking up what there is…',
  packages: 'Package',
  recommended: 'Recommended',
  /** @param locale a BCP 47 tag; undefined: the reader's own */
  price: money,
  length,
  perMinute: (it: ExtraMinutesPackage, locale?: string) =>
    `${money((it.priceCents * MINUTE_MS) / it.grantedMs, it.currency, locale)} a minute`,
  expires: (days: number) => `to be used within ${days === 1 ? 'a day' : `${days} days`}`,
  goOn: 'Continue to payment',
  starting: 'One moment…',
  back: 'Choose another package',
  again: 'Try again',
  summary: (minutes: string, price: string) => `${minutes} for ${price}`,
  pay: (price: string) => `Pay ${price}`,
  formLoading: 'The payment form is loading…',
  checkout: 'Pay at Stripe',
  checkoutNote:
    'A page of Stripe opens in a new tab. Come back when you have paid: this page notices by itself.',
  testMode: 'Test mode of Stripe: no money moves, and only test cards are taken.',
  testTitle: 'Test payment: no money moves',
  testNote:
    'This installation runs in development without keys of Stripe. Say what the bank would:',
  testOutcomes: { paid: 'Succeed', failed: 'Decline', processing: 'Stay pending' },
  submitting: 'Paying…',
  confirming: 'The payment is being confirmed.',
  /** What a recorder may still count on, as time of its own clock. */
  goesOn: (ms: number) => `You may go on for ${left(ms)}.`,
  stopped: 'Recording has stopped. The minutes are there for the next one once it is confirmed.',
  mayClose: 'You can close this: the minutes come by themselves.',
  givenUp: 'Your bank takes its time. The minutes come by themselves once it has confirmed.',
  paid: (minutes: string) => `${minutes} were added.`,
  paidGoesOn: 'Your recording just goes on.',
  paidNext: 'They are there for your next recording.',
  done: 'Done',
  troubles,
  /** In a list of purchases. What was given back, or is disputed, outweighs that it was paid. */
  status: ({ status, refundedCents, amountCents, dispute }: Purchase) => {
    if (status !== 'paid') return statuses[status];
    if (dispute === 'open' || dispute === 'inquiry') return 'Disputed';
    if (dispute === 'lost') return 'Dispute lost';
    if (refundedCents >= amountCents && amountCents > 0) return 'Refunded';
    return refundedCents > 0 ? 'Refunded in part' : statuses.paid;
  },
};

export type PurchaseSentences = typeof purchaseSentences;
