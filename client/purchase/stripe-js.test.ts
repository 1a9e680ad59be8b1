import type { StripeConstructor } from '@stripe/stripe-js';
import { expect, it } from 'vitest';
import type { StripeConstructorLike } from './stripe-js.ts';

/** Held by the compiler (`npm run check`). */
const asItIsUsed = (theirs: StripeConstructor): StripeConstructorLike => theirs;

it('is, as far as it is used, what Stripe says that it is', () => {
  expect(asItIsUsed).toBeTypeOf('function');
});
