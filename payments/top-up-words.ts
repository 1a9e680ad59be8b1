/** What a top-up's trouble means to the people of an organization: what happened, and what to do. */
import type { topUps } from '../drizzle/schema/top-ups.ts';

export type TopUpRow = typeof topUps.$inferSelect;

/** Attempts that failed one after another, after which a person has to act. */
export const MOST_FAILURES = 3;

/** Of ours; others are Stripe's. */
export const TROUBLE = {
  noMethod: 'noPaymentMethod',
  cap: 'monthlyCapReached',
  noPackage: 'packageNotOnSale',
  currency: 'packageInOtherCurrency',
  unanswered: 'stripeUnavailable',
  key: 'stripeKeyRefused',
} as const;

const CARD_HELP = 'Save another card, or buy extra minutes by hand.';
const DECLINED = `The bank has declined the card. ${CARD_HELP}`;
const DECLINES: Readonly<Record<string, string>> = {
  card_declined: DECLINED,
  generic_decline: DECLINED,
  do_not_honor: DECLINED,
  insufficient_funds: `The card has not enough money for it. ${CARD_HELP}`,
  expired_card: `The saved card has expired. ${CARD_HELP}`,
  lost_card: `The bank says that the card is lost. ${CARD_HELP}`,
  stolen_card: `The bank says that the card is stolen. ${CARD_HELP}`,
  incorrect_cvc: `The bank does not take the card's security code. ${CARD_HELP}`,
  processing_error: 'The bank could not process the payment. It is tried again.',
  resource_missing: 'The saved payment method is not there any more. Save a card again.',
  payment_method_unactivated: `The payment method is not active. ${CARD_HELP}`,
};

/** null: all is well. */
export function topUpMessage(row: TopUpRow): string | null {
  const { trouble, enabled, failures } = row;
  if (trouble === null) return null;
  const what = wordsOf(trouble, row);
  if (enabled || failures < MOST_FAILURES) return what;
  return `${what} Automatic top-up is off after ${failures} failures in a row: turn it on again when that is mended.`;
}

function wordsOf(trouble: string, { monthlyCapCents, currency, package: id }: TopUpRow): string {
  switch (trouble) {
    case TROUBLE.noMethod:
      return 'No card is saved for automatic top-up. Save one, or buy extra minutes by hand.';
    case TROUBLE.cap:
      return `One more package would exceed the ${monthlyCapCents} cents allowed in a month. Raise the cap, or buy extra minutes by hand.`;
    case TROUBLE.noPackage:
      return `The package "${id}" is not on sale any more. Choose another one.`;
    case TROUBLE.currency:
      return `The package "${id}" is not sold in ${currency.toUpperCase()} any more, as the monthly cap is. Set the settings again, with a cap in its new currency, or choose another package.`;
    case TROUBLE.unanswered:
      return 'The payment service does not answer. The same payment is tried again; nothing is paid twice.';
    case TROUBLE.key:
      return "The payment service does not take this installation's key. Its operator has to look.";
    case 'authentication_required':
      return 'The bank wants the person to confirm. Buy extra minutes once by hand, and confirm there.';
    default:
      return DECLINES[trouble] ?? `The payment was refused (${trouble}). ${CARD_HELP}`;
  }
}
