/** What Stripe says no to, in words for whoever asked. */
import type { StripeTrouble } from '../../../payments/stripe-trouble.ts';
import type { HttpDeps } from '../deps.ts';
import { ProblemError } from '../problem.ts';

export function paymentsNotConfigured(): ProblemError {
  return new ProblemError(
    'paymentsNotConfigured',
    'Nothing can be bought here: this installation has no keys of Stripe. Its operator sets ' +
      'STRIPE_SECRET_KEY, STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRETS (docs/payments.md).',
  );
}

export function purchaseUnknown(org: string, purchase: string): ProblemError {
  return new ProblemError(
    'purchaseUnknown',
    `There is no purchase "${purchase}" of the organization "${org}". GET /v1/orgs/${org}/extra-minutes/purchases lists those there are.`,
  );
}

export function problemOf(
  { log }: Pick<HttpDeps, 'log'>,
  trouble: StripeTrouble,
  purchase: string,
): ProblemError {
  const { kind, code } = trouble;
  switch (kind) {
    case 'refused':
      log.info({ purchase, code }, 'Stripe refused a payment');
      return new ProblemError(
        'paymentFailed',
        `Stripe refused the payment of purchase ${purchase} (${code}): ${trouble.message} ` +
          'Begin a new purchase, with another way to pay.',
      );
    case 'unavailable':
      log.warn({ purchase, code }, 'Stripe does not answer');
      return new ProblemError(
        'paymentsUnavailable',
        `Stripe does not answer at the moment, and nothing was charged. Purchase ${purchase} goes on ` +
          'where it is when you ask again with the same Idempotency-Key.',
      );
    case 'key':
      log.error({ purchase, code }, 'Stripe does not take STRIPE_SECRET_KEY, or not for this');
      return new ProblemError(
        'paymentsNotConfigured',
        "Stripe does not take this installation's key. Its operator checks STRIPE_SECRET_KEY, and " +
          'what a restricted key may do (docs/payments.md).',
      );
  }
}
