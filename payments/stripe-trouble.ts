/** What an error of Stripe's library means to whoever asked. */
import Stripe from 'stripe';

export type TroubleKind =
  /** Stripe decided against it: the same again is refused again */
  | 'refused'
  /** nobody knows whether it was done; ask again with the same idempotency key */
  | 'unavailable'
  /** Stripe does not take our key, or the key may not do this */
  | 'key';

export class StripeTrouble extends Error {
  readonly kind: TroubleKind;
  /** Stripe's, like `card_declined` */
  readonly code: string;
  /** where the refusal left an intent behind */
  readonly intent: Stripe.PaymentIntent | null;
  constructor(kind: TroubleKind, code: string, message: string, more: Partial<TroubleOf> = {}) {
    super(message);
    this.name = 'StripeTrouble';
    this.kind = kind;
    this.code = code;
    this.intent = more.intent ?? null;
  }
}

interface TroubleOf {
  intent: Stripe.PaymentIntent | null;
}

const { StripeError } = Stripe.errors;
const OUR_KEY = ['StripeAuthenticationError', 'StripePermissionError'];
const DECIDED = ['StripeCardError', 'StripeInvalidRequestError'];

/** Its message holds nothing of our key. @throws what is no error of Stripe's */
export function troubleOf(error: unknown): StripeTrouble {
  if (!(error instanceof StripeError)) throw error;
  const { type } = error;
  // The library has '' for what Stripe left out.
  const code = error.decline_code || error.code || type;
  if (OUR_KEY.includes(type))
    return new StripeTrouble('key', code, 'Stripe does not take the key.');
  if (DECIDED.includes(type)) {
    return new StripeTrouble('refused', code, error.message, {
      intent: error.payment_intent ?? null,
    });
  }
  return new StripeTrouble('unavailable', code, 'Stripe does not answer.');
}

/** Whether what was named to Stripe is not there: made by another account, or deleted. */
export function isMissing(error: unknown, parameter?: string): boolean {
  if (!(error instanceof StripeError) || error.code !== 'resource_missing') return false;
  return parameter === undefined || error.param === parameter;
}

/** null: Stripe does not have what is asked for, for this key. @throws whatever else goes wrong */
export async function orNull<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (!isMissing(error)) throw error;
    return null;
  }
}

/** Whether Stripe broke: it answers so under this idempotency key for a day, and what it did nobody knows. */
export function isBroken(error: unknown): boolean {
  return error instanceof StripeError && error.statusCode === 500;
}

/**
 * Whether Stripe has no other answer under this idempotency key for a day: it broke, or the key was for
 * other words, as where an update of ours came between.
 */
export function isKeySpent(error: unknown): boolean {
  if (!(error instanceof StripeError)) return false;
  const { statusCode, type } = error;
  return isBroken(error) || (statusCode === 400 && type === 'StripeIdempotencyError');
}

/** An intent or a session that is beyond what was asked for: paid, or ended. */
export function isBeyond(error: unknown): boolean {
  if (!(error instanceof StripeError)) return false;
  return error.type === 'StripeInvalidRequestError' && error.code !== 'resource_missing';
}
