/** What a purchase of extra minutes looks like over HTTP. */
import { z } from '@hono/zod-openapi';
import { eq, inArray } from 'drizzle-orm';
import type { Queryable } from '../../../drizzle/client.ts';
import { extraMinutesPurchases } from '../../../drizzle/schema/extra-minutes.ts';
import { payments } from '../../../drizzle/schema/payments.ts';
import { type PaymentState, refundedCents } from '../../../payments/lot-target.ts';
import { type PaymentRow, statesOf } from '../../../payments/payment-state.ts';
import {
  durationMsSchema,
  idSchema,
  instant,
  instantOrNull,
  instantSchema,
  orgParams,
} from '../schemas.ts';
import { currencySchema } from './package-schema.ts';

export const purchaseParams = orgParams.extend({
  purchase: idSchema('0b2e6a52-6f1a-4b0f-9f5e-2f6f3f2f9d10'),
});

const urlSchema = z
  .url({ protocol: /^https?$/ })
  .max(2_000)
  .openapi({ example: 'https://app.example/paid' });

export const purchaseBodySchema = z
  .strictObject({
    package: idSchema('minutes-60'),
    currency: currencySchema.optional().openapi({ description: 'Default: that of the package.' }),
    method: z
      .enum(['paymentIntent', 'checkout', 'test'])
      .optional()
      .openapi({
        description:
          '`paymentIntent`: a page of yours takes the payment by `clientSecret`. `checkout`: a page ' +
          'of Stripe, at `checkoutUrl`. `test`: in development without keys. Default: the first ' +
          'that is there.',
      }),
    user: idSchema('ann').optional().openapi({ description: 'Who buys. With a ticket: its own.' }),
    successUrl: urlSchema.optional().openapi({ description: 'With `checkout`.' }),
    cancelUrl: urlSchema.optional().openapi({ description: 'With `checkout`.' }),
    allowRedirects: z.boolean().default(false).openapi({
      description:
        'With `paymentIntent`: also ways to pay that leave the page. A recording in it is interrupted.',
    }),
  })
  .refine(
    (body) =>
      body.method !== 'checkout' || (body.successUrl !== undefined && body.cancelUrl !== undefined),
    { path: ['successUrl'], message: 'and cancelUrl are needed with method "checkout"' },
  )
  .openapi('PurchaseBody');
export type PurchaseBody = z.infer<typeof purchaseBodySchema>;

export const purchaseSchema = z
  .object({
    purchase: z.string().openapi({ description: 'Also the name of its lot.' }),
    user: z.string().nullable(),
    kind: z.enum(['purchase', 'topUp']),
    status: z.enum(['open', 'requiresAction', 'processing', 'failed', 'canceled', 'paid']),
    method: z.enum(['paymentIntent', 'checkout', 'test']).openapi({
      description: '`test`: a test payment; no money moves.',
    }),
    package: z.string(),
    grantedMs: durationMsSchema,
    amountCents: z.int().min(0),
    currency: z.string(),
    livemode: z.boolean().openapi({ description: 'Whether money moves.' }),
    startedAt: instantSchema,
    paidAt: instantSchema.nullable(),
    failure: z
      .object({ code: z.string(), message: z.string() })
      .nullable()
      .openapi({ description: 'Why the last attempt failed; another may follow.' }),
    refundedCents: z.int().min(0),
    dispute: z.enum(['inquiry', 'open', 'lost', 'won']).nullable(),
    lot: z
      .object({
        usedMs: durationMsSchema,
        reversedMs: durationMsSchema.openapi({ description: 'Refunded, disputed or taken back.' }),
        debtMs: durationMsSchema.openapi({ description: 'Used, and nobody pays for it.' }),
        expiresAt: instantSchema.nullable(),
      })
      .nullable()
      .openapi({ description: 'Its minutes, once there are any.' }),
    hold: z
      .object({
        ms: durationMsSchema,
        until: instantSchema,
        endedAt: instantSchema.nullable().openapi({ description: 'Withdrawn unpaid.' }),
      })
      .nullable()
      .openapi({ description: 'Minutes lent while the payment confirms.' }),
  })
  .openapi('Purchase');
export type PurchaseShown = z.infer<typeof purchaseSchema>;

export const startedSchema = purchaseSchema
  .extend({
    clientSecret: z.string().nullable().openapi({
      description: 'For the page that takes the payment. Keep it out of URLs and logs.',
    }),
    checkoutUrl: z.string().nullable().openapi({ description: 'Where the buyer goes to pay.' }),
    holdMs: durationMsSchema.openapi({
      description:
        'What `hold` lends by the plan while the payment confirms. 0: nothing, so don’t ask.',
    }),
  })
  .openapi('PurchaseStarted');

/** As they stand, in the order given. */
export async function purchasesShown(
  db: Queryable,
  rows: readonly PaymentRow[],
): Promise<PurchaseShown[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const states = await statesOf(db, rows);
  const lots = await db
    .select()
    .from(extraMinutesPurchases)
    .where(inArray(extraMinutesPurchases.id, ids));
  const byId = new Map(lots.map((lot) => [lot.id, lot]));
  return rows.map((row) => shown(row, states.get(row.id)!, byId.get(row.id)));
}

/** null: it is not there, or not of this organization. */
export async function findPurchase(
  db: Queryable,
  org: string,
  id: string,
): Promise<PaymentRow | null> {
  const [row] = await db.select().from(payments).where(eq(payments.id, id));
  return row?.org === org ? row : null;
}

type LotRow = typeof extraMinutesPurchases.$inferSelect;

function shown(row: PaymentRow, state: PaymentState, lot: LotRow | undefined): PurchaseShown {
  const { id, user, kind, status, method, package: of, grantedMs, amountCents, currency } = row;
  return {
    purchase: id,
    user,
    kind,
    status,
    method,
    package: of,
    grantedMs,
    amountCents,
    currency,
    livemode: row.livemode,
    startedAt: instant(row.startedAt),
    paidAt: instantOrNull(row.paidAt),
    failure:
      row.failureCode === null
        ? null
        : { code: row.failureCode, message: row.failureMessage ?? '' },
    refundedCents: refundedCents(state),
    dispute: disputeOf(state),
    lot: lot === undefined ? null : lotShown(lot),
    hold:
      row.holdUntil === null
        ? null
        : {
            ms: row.holdMs,
            until: instant(row.holdUntil),
            endedAt: instantOrNull(row.holdEndedAt),
          },
  };
}

function lotShown({ usedMs, reversedMs, debtMs, expiresAt }: LotRow) {
  return { usedMs, reversedMs, debtMs, expiresAt: instantOrNull(expiresAt) };
}

const GRAVEST_FIRST = ['open', 'lost', 'inquiry', 'won'] as const;

function disputeOf({ disputes }: PaymentState): PurchaseShown['dispute'] {
  return GRAVEST_FIRST.find((status) => disputes.some((it) => it.status === status)) ?? null;
}
