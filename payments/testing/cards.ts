/** Stripe's test cards and what happens to each: https://docs.stripe.com/testing */

export interface Decline {
  code: string;
  declineCode: string | null;
  message: string;
}

export interface TestCard {
  number: string;
  /** Ids that stand for it; each use makes a payment method of its own. */
  alias: string;
  brand: 'visa' | 'mastercard';
  /** Already when it is saved, and whenever it is charged. */
  declinesAlways?: Decline;
  /** Can be saved, can't be charged. */
  declinesCharge?: Decline;
  /** When the person must confirm with the bank. */
  authentication?: 'always' | 'unlessSetUp' | 'onSession';
  dispute?: 'dispute' | 'inquiry';
  refund?: 'fails' | 'pending';
}

const declined = (declineCode: string, message = 'Your card was declined.'): Decline => ({
  code: 'card_declined',
  declineCode,
  message,
});
const NO_FUNDS = declined('insufficient_funds', 'Your card has insufficient funds.');

/** What a bank says that wants the person, when the person is away. */
export const AUTHENTICATION_REQUIRED: Decline = {
  code: 'authentication_required',
  declineCode: 'authentication_required',
  message: 'Your card was declined. This transaction requires authentication.',
};
export const AUTHENTICATION_FAILED: Decline = {
  code: 'payment_intent_authentication_failure',
  declineCode: null,
  message:
    'We are unable to authenticate your payment method. Please choose a different payment method and try again.',
};
export const GENERIC_DECLINE = declined('generic_decline');

export const TEST_CARDS: readonly TestCard[] = [
  { number: '4242424242424242', alias: 'pm_card_visa', brand: 'visa' },
  { number: '5555555555554444', alias: 'pm_card_mastercard', brand: 'mastercard' },
  {
    number: '4000000000000002',
    alias: 'pm_card_visa_chargeDeclined',
    brand: 'visa',
    declinesAlways: GENERIC_DECLINE,
  },
  {
    number: '4000000000009995',
    alias: 'pm_card_visa_chargeDeclinedInsufficientFunds',
    brand: 'visa',
    declinesAlways: NO_FUNDS,
  },
  {
    number: '4000000000009987',
    alias: 'pm_card_visa_chargeDeclinedLostCard',
    brand: 'visa',
    declinesAlways: declined('lost_card'),
  },
  {
    number: '4000000000000069',
    alias: 'pm_card_chargeDeclinedExpiredCard',
    brand: 'visa',
    declinesAlways: {
      code: 'expired_card',
      declineCode: 'expired_card',
      message: 'Your card has expired.',
    },
  },
  {
    number: '4000000000000119',
    alias: 'pm_card_chargeDeclinedProcessingError',
    brand: 'visa',
    declinesAlways: {
      code: 'processing_error',
      declineCode: 'processing_error',
      message: 'An error occurred while processing your card. Try again in a little bit.',
    },
  },
  {
    number: '4000000000000341',
    alias: 'pm_card_chargeCustomerFail',
    brand: 'visa',
    declinesCharge: GENERIC_DECLINE,
  },
  {
    number: '4000002500003155',
    alias: 'pm_card_authenticationRequiredOnSetup',
    brand: 'visa',
    authentication: 'unlessSetUp',
  },
  {
    number: '4000002760003184',
    alias: 'pm_card_authenticationRequired',
    brand: 'visa',
    authentication: 'always',
  },
  {
    number: '4000003800000446',
    alias: 'pm_card_authenticationRequiredSetupForOffSession',
    brand: 'visa',
    authentication: 'onSession',
  },
  {
    number: '4000008260003178',
    alias: 'pm_card_authenticationRequiredChargeDeclinedInsufficientFunds',
    brand: 'visa',
    authentication: 'unlessSetUp',
    declinesCharge: NO_FUNDS,
  },
  {
    number: '4000000000000259',
    alias: 'pm_card_createDispute',
    brand: 'visa',
    dispute: 'dispute',
  },
  {
    number: '4000000000001976',
    alias: 'pm_card_createDisputeInquiry',
    brand: 'visa',
    dispute: 'inquiry',
  },
  { number: '4000000000005126', alias: 'pm_card_refundFail', brand: 'visa', refund: 'fails' },
  { number: '4000000000007726', alias: 'pm_card_pendingRefund', brand: 'visa', refund: 'pending' },
];

/** Stripe's documents name these two both ways. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  pm_card_chargeDeclined: 'pm_card_visa_chargeDeclined',
  pm_card_chargeDeclinedInsufficientFunds: 'pm_card_visa_chargeDeclinedInsufficientFunds',
};

export function cardByAlias(alias: string): TestCard | undefined {
  const name = OTHER_NAMES[alias] ?? alias;
  return TEST_CARDS.find((card) => card.alias === name);
}

/** Spaces are fine. A number that is no test card has no card. */
export function cardByNumber(number: string): TestCard | undefined {
  const digits = number.replace(/\s/g, '');
  return TEST_CARDS.find((card) => card.number === digits);
}

export function needsAuthentication(card: TestCard, isSetUp: boolean, isOffSession: boolean) {
  switch (card.authentication) {
    case 'always':
      return true;
    case 'unlessSetUp':
      return !(isOffSession && isSetUp);
    case 'onSession':
      return !isOffSession;
    default:
      return false;
  }
}
