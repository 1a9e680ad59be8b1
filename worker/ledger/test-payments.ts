/** Purchases for tests, and what Stripe tells of them: as a webhook does, in its own transaction. */
import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { payments } from '../../drizzle/schema/payments.ts';
import type { Fact, StatusFact } from '../../payments/facts.ts';
import { type Taken, takeFact } from '../../payments/take-fact.ts';
import type { TestLedger } from '../test-ledger.ts';

type Started = Partial<typeof payments.$inferInsert>;

/** Started, and not paid: ten minutes for 1000 cents, unless said otherwise. */
export async function startPayment(
  { connection, now }: TestLedger,
  { org }: { org: string },
  more: Started = {},
): Promise<string> {
  const id = more.id ?? randomUUID();
  await connection.db.insert(payments).values({
    ...{ org, kind: 'purchase', method: 'test', package: 'minutes-60', livemode: false },
    ...{ grantedMs: 600_000, amountCents: 1000, currency: 'usd', startedAt: now, ...more, id },
  });
  return id;
}

/** Refunds and disputes are the payment's own by their ids, as they are at Stripe. */
export const takeFacts = (
  { connection, now }: TestLedger,
  payment: string,
  facts: readonly Fact[],
): Promise<Taken[]> =>
  facts.reduce(async (before: Promise<Taken[]>, fact) => {
    const all = await before;
    const own = 'id' in fact ? { ...fact, id: `${payment}.${fact.id}` } : fact;
    const taken = await connection.db.transaction((tx) => takeFact(tx, payment, own, now));
    return [...all, taken!];
  }, Promise.resolve([]));

export const statusFact = (status: StatusFact['status'], at = 0, cents = 1000): StatusFact => ({
  ...{ kind: 'status', status, at, failure: null, cents, currency: 'usd' },
});
export const PAID = statusFact('paid', 9);
export const refund = (cents: number, id = 're_1', status: 'succeeded' | 'failed' = 'succeeded') =>
  ({ kind: 'refund', id, cents, status }) as const;
export const dispute = (
  status: 'inquiry' | 'open' | 'lost' | 'won',
  cents = 1000,
  currency = 'usd',
) => ({ kind: 'dispute', id: 'dp_1', cents, currency, status, reason: null }) as const;

export async function lotOf({ connection }: TestLedger, payment: string) {
  const [row] = await connection.db
    .select()
    .from(extraMinutesPurchases)
    .where(eq(extraMinutesPurchases.id, payment));
  return row;
}
