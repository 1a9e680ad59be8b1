/** What packages look like over HTTP, and how payments are made here. */
import { z } from '@hono/zod-openapi';
import type { HttpDeps } from '../deps.ts';
import { durationMsSchema, idSchema, MAX_MINUTES, MS_PER_MINUTE, nameSchema } from '../schemas.ts';

/** As it is kept, and beyond what Stripe takes at once. */
const MAX_PRICE_CENTS = 2_147_483_647;
const MAX_PRICES = 50;
const MAX_EXPIRY_DAYS = 3_660;

export const currencySchema = z
  .string()
  .regex(/^[a-z]{3}$/, { message: 'must be a currency in lower case, like usd' })
  .openapi({ example: 'usd' });

const priceCentsSchema = z.int().min(1).max(MAX_PRICE_CENTS).openapi({
  description: 'In the smallest unit of the currency, as Stripe counts: cents, or whole yen.',
  example: 999,
});

const priceSchema = z.strictObject({ currency: currencySchema, priceCents: priceCentsSchema });

/** What Stripe refuses parts of, though it counts them: docs.stripe.com/currencies. */
const STEPS: Readonly<Record<string, number>> = {
  ...{ isk: 100, ugx: 100 },
  ...{ bhd: 10, jod: 10, kwd: 10, omr: 10, tnd: 10 },
};

/** null: Stripe can take it. */
function priceTrouble({ currency, priceCents }: z.infer<typeof priceSchema>): string | null {
  const step = STEPS[currency] ?? 1;
  return priceCents % step === 0 ? null : `must be a multiple of ${step} in ${currency}`;
}

export const packageSchema = z
  .object({
    package: idSchema('minutes-60'),
    name: z.string(),
    grantedMs: durationMsSchema,
    priceCents: z.int().min(0),
    currency: z.string().openapi({ example: 'usd' }),
    prices: z
      .array(z.object({ currency: z.string(), priceCents: z.int().min(0) }))
      .openapi({ description: 'In all its currencies, its own first.' }),
    expiresAfterDays: z
      .int()
      .nullable()
      .openapi({ description: 'Days after the payment; null: its minutes do not expire.' }),
    active: z.boolean().openapi({ description: 'Whether it is on sale.' }),
  })
  .openapi('ExtraMinutesPackage');
export type PackageShown = z.infer<typeof packageSchema>;

export const packageBodySchema = z
  .strictObject({
    package: idSchema('minutes-60').optional(),
    name: nameSchema,
    grantedMs: z
      .int()
      .min(1)
      .max(MAX_MINUTES * MS_PER_MINUTE)
      .openapi({ example: 3_600_000 }),
    priceCents: priceCentsSchema,
    currency: currencySchema.default('usd'),
    prices: z
      .array(priceSchema)
      .max(MAX_PRICES)
      .default([])
      .refine((all) => new Set(all.map(({ currency }) => currency)).size === all.length, {
        message: 'must have each currency once',
      })
      .openapi({ description: 'In other currencies; those that are left out are dropped.' }),
    expiresAfterDays: z.int().min(1).max(MAX_EXPIRY_DAYS).nullable().default(null),
    active: z.boolean().default(true),
  })
  .refine(
    ({ prices, currency, priceCents }) =>
      prices.every((it) => it.currency !== currency || it.priceCents === priceCents),
    { path: ['prices'], message: 'must agree with priceCents in the currency of the package' },
  )
  .superRefine((body, c) => {
    const all = [{ of: body, at: [] }, ...body.prices.map((of, i) => ({ of, at: ['prices', i] }))];
    for (const { of, at } of all) {
      const message = priceTrouble(of);
      if (message !== null) c.addIssue({ code: 'custom', path: [...at, 'priceCents'], message });
    }
  })
  .openapi('ExtraMinutesPackageBody');
export type PackageBody = z.infer<typeof packageBodySchema>;

export const paymentsSchema = z
  .object({
    provider: z
      .enum(['stripe', 'test'])
      .nullable()
      .openapi({
        description:
          '`test`: in development without keys; purchases are paid by test payments, and no money ' +
          'moves. null: nothing can be bought here.',
      }),
    livemode: z.boolean().openapi({ description: 'Whether money moves.' }),
    publishableKey: z.string().nullable(),
    scriptUrl: z
      .string()
      .nullable()
      .openapi({ description: 'What a page loads to take payments.' }),
  })
  .openapi('Payments');

export type PaymentProvider = 'stripe' | 'test' | null;

export function providerOf({ payments, development }: HttpDeps): PaymentProvider {
  if (payments) return 'stripe';
  return development ? 'test' : null;
}

export function paymentsShown(deps: HttpDeps): z.infer<typeof paymentsSchema> {
  const provider = providerOf(deps);
  if (!deps.payments) {
    return { provider, livemode: false, publishableKey: null, scriptUrl: null };
  }
  const { livemode, publishableKey, scriptUrl } = deps.payments.settings;
  return { provider, livemode, publishableKey, scriptUrl };
}
