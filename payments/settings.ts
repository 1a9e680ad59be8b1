/** How an installation speaks to Stripe. Without STRIPE_SECRET_KEY it sells nothing, and says so. */
import { z } from 'zod';
import { type Environment, list, readEnv, url } from '../core/runtime/env.ts';

const STRIPE_JS_URL = 'https://js.stripe.com/endive/stripe.js';

export const paymentVariables = {
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^(sk|rk)_(test|live)_\w+$/, {
      message: 'must be a secret or restricted key of Stripe, like sk_test_...',
    })
    .optional(),
  STRIPE_PUBLISHABLE_KEY: z
    .string()
    .regex(/^pk_(test|live)_\w+$/, {
      message: 'must be a publishable key of Stripe, like pk_test_...',
    })
    .optional(),
  /** The present one and, while they rotate, the one before. */
  STRIPE_WEBHOOK_SECRETS: list().default([]),
  /** Another address of its API: for tests. */
  STRIPE_API_URL: url('http', 'https').optional(),
  /** What the page loads; Stripe wants it from itself. */
  STRIPE_JS_URL: url('http', 'https').default(STRIPE_JS_URL),
};

export interface PaymentSettings {
  secretKey: string;
  publishableKey: string | null;
  webhookSecrets: readonly string[];
  livemode: boolean;
  /** null: Stripe's own */
  apiUrl: string | null;
  scriptUrl: string;
}

/**
 * null: no key is set.
 * @throws Error for keys that do not belong together, or another API for live keys
 */
export function readPaymentSettings(env: Environment): PaymentSettings | null {
  const read = readEnv(paymentVariables, env);
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_PUBLISHABLE_KEY: publishableKey = null } = read;
  if (secretKey === undefined) {
    if (publishableKey === null && read.STRIPE_WEBHOOK_SECRETS.length === 0) return null;
    throw new Error(
      'STRIPE_PUBLISHABLE_KEY or STRIPE_WEBHOOK_SECRETS is set, and STRIPE_SECRET_KEY is not: set it, or leave all of them out.',
    );
  }
  const livemode = secretKey.includes('_live_');
  if (publishableKey !== null && publishableKey.includes('_live_') !== livemode) {
    throw new Error(
      'STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY are not of one mode: take both for live or both for test.',
    );
  }
  if (livemode && read.STRIPE_API_URL !== undefined) {
    throw new Error('STRIPE_API_URL is for tests: leave it out, or use a test key.');
  }
  for (const secret of read.STRIPE_WEBHOOK_SECRETS) {
    if (secret.startsWith('whsec_')) continue;
    throw new Error(
      'STRIPE_WEBHOOK_SECRETS: a signing secret begins with whsec_. The dashboard shows it with the endpoint, and `stripe listen` prints it.',
    );
  }
  return {
    secretKey,
    publishableKey,
    webhookSecrets: read.STRIPE_WEBHOOK_SECRETS,
    livemode,
    apiUrl: read.STRIPE_API_URL ?? null,
    scriptUrl: read.STRIPE_JS_URL,
  };
}
