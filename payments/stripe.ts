/** Stripe's own library, as this product asks it. */
import Stripe from 'stripe';
import type { PaymentSettings } from './settings.ts';

/** A person waits for an answer; a worker comes again. */
const TIMEOUT_MS = 10_000;
/** Repeated with the same idempotency key, which the library makes where none is given. */
const RETRIES = 2;

export function connectStripe({
  secretKey,
  apiUrl,
}: Pick<PaymentSettings, 'secretKey' | 'apiUrl'>): Stripe {
  const options = { timeout: TIMEOUT_MS, maxNetworkRetries: RETRIES, telemetry: false };
  if (apiUrl === null) return new Stripe(secretKey, options);
  const { hostname, port, protocol } = new URL(apiUrl);
  return new Stripe(secretKey, {
    ...options,
    host: hostname,
    port,
    protocol: protocol === 'https:' ? 'https' : 'http',
  });
}
