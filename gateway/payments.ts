import type { Log } from '../core/runtime/log.ts';
import { connectStripe } from '../payments/stripe.ts';
import type { GatewayConfig } from './config.ts';
import type { Payments } from './http/deps.ts';

/** null: no keys. What can't be bought, or what nobody would hear of, is said once. */
export function openPayments(
  { payments: settings, development }: Pick<GatewayConfig, 'payments' | 'development'>,
  log: Log,
): Payments | null {
  if (settings === null) {
    log.info(
      development
        ? 'STRIPE_SECRET_KEY is not set: extra minutes are bought by test payments, and no money moves'
        : 'STRIPE_SECRET_KEY is not set: extra minutes can not be bought here',
    );
    return null;
  }
  if (settings.webhookSecrets.length === 0) {
    log.warn('STRIPE_WEBHOOK_SECRETS is not set: nobody hears here of what was paid');
  }
  return { settings, stripe: connectStripe(settings) };
}
