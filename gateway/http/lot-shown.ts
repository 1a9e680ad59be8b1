/** A lot of extra minutes as it is shown, and what an organization owes of all its lots. */
import { z } from '@hono/zod-openapi';
import { eq, sql } from 'drizzle-orm';
import type { Queryable } from '../../drizzle/client.ts';
import { extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { durationMsSchema, instant, instantOrNull, instantSchema } from './schemas.ts';

export const lotSchema = z
  .object({
    purchase: z.string(),
    state: z.enum(['serving', 'held', 'frozen', 'expired', 'reversed', 'used']).openapi({
      description:
        '`held`: lent while its payment confirms, and burnt after all others. `frozen`: disputed, ' +
        'and not used meanwhile. `reversed`: all of it was refunded, disputed or taken back.',
    }),
    grantedMs: durationMsSchema,
    usedMs: durationMsSchema.openapi({ description: 'As settled.' }),
    reversedMs: durationMsSchema.openapi({ description: 'Refunded, disputed or taken back.' }),
    debtMs: durationMsSchema.openapi({
      description: 'Used before it was reversed: nobody paid for it, and nothing else pays it off.',
    }),
    purchasedAt: instantSchema,
    expiresAt: instantSchema.nullable(),
  })
  .openapi('Lot');
export type LotShown = z.infer<typeof lotSchema>;
type LotRow = typeof extraMinutesPurchases.$inferSelect;

export function lotShown(row: LotRow): LotShown {
  const { id, grantedMs, usedMs, reversedMs, debtMs, purchasedAt, expiresAt } = row;
  return {
    purchase: id,
    state: stateOf(row),
    grantedMs,
    usedMs,
    reversedMs,
    debtMs,
    purchasedAt: instant(purchasedAt),
    expiresAt: instantOrNull(expiresAt),
  };
}

function stateOf(row: LotRow): LotShown['state'] {
  if (row.reversedMs >= row.grantedMs) return 'reversed';
  if (row.frozenAt !== null) return 'frozen';
  if (row.expiredAt !== null) return 'expired';
  if (row.heldAt !== null) return 'held';
  return row.usedMs >= row.grantedMs - row.reversedMs ? 'used' : 'serving';
}

/** Of all lots, also those on other pages. */
export async function debtMsOf(db: Queryable, org: string): Promise<number> {
  const { debtMs } = extraMinutesPurchases;
  const [row] = await db
    .select({ ms: sql<number>`coalesce(sum(${debtMs}), 0)::bigint`.mapWith(Number) })
    .from(extraMinutesPurchases)
    .where(eq(extraMinutesPurchases.org, org));
  return row!.ms;
}
