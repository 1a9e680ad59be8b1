/**
 * Begins a top-up: its row, before Stripe hears of it. Under the lock of the organization's settings,
 * and numbered: two workers that see the same need make one.
 */
import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import type { Transaction } from '../../drizzle/client.ts';
import { extraMinutesPackages } from '../../drizzle/schema/extra-minutes.ts';
import { payments, stripeCustomers } from '../../drizzle/schema/payments.ts';
import { topUps } from '../../drizzle/schema/top-ups.ts';
import { topUpMonth } from '../../payments/top-up-month.ts';
import { type TopUpRow, TROUBLE } from '../../payments/top-up-words.ts';
import type { LedgerContext } from '../ledger/settle.ts';

export interface TopUpDeps extends Pick<LedgerContext, 'db' | 'wallMs' | 'log'> {
  livemode: boolean;
}

/** Whether a new attempt may be made now, so far as the settings say. @param now meter instant */
export function mayBegin(row: TopUpRow, now: number): boolean {
  if (!row.enabled || row.judged < row.attempts) return false;
  if (row.pausedUntil !== null && now < row.pausedUntil) return false;
  return row.lastAt === null || now >= row.lastAt + row.coolOffMs;
}

/** True: there is a new attempt, for this worker to carry out. */
export function beginTopUp(deps: TopUpDeps, org: string, now: number): Promise<boolean> {
  return deps.db.transaction(async (tx) => {
    const [row] = await tx.select().from(topUps).where(eq(topUps.org, org)).for('update');
    if (row === undefined || !mayBegin(row, now)) return false;
    const [offer] = await tx
      .select()
      .from(extraMinutesPackages)
      .where(and(eq(extraMinutesPackages.id, row.package), eq(extraMinutesPackages.active, true)));
    if (offer === undefined) return pause(tx, row, TROUBLE.noPackage, now);
    // A cap in one currency says nothing of what may be spent in another.
    if (offer.currency !== row.currency) return pause(tx, row, TROUBLE.currency, now);
    const [payer] = await tx
      .select()
      .from(stripeCustomers)
      .where(and(eq(stripeCustomers.org, org), eq(stripeCustomers.livemode, deps.livemode)));
    const paymentMethod = row.paymentMethod ?? payer?.paymentMethod ?? null;
    if (payer === undefined || paymentMethod === null) return pause(tx, row, TROUBLE.noMethod, now);
    const month = await topUpMonth(tx, row, now);
    if (month.cents + offer.priceCents > row.monthlyCapCents) {
      return pause(tx, row, TROUBLE.cap, now, month.endsAt);
    }
    const wall = deps.wallMs();
    const attempt = row.attempts + 1;
    await tx.insert(payments).values({
      ...{ id: randomUUID(), org, kind: 'topUp', method: 'paymentIntent', attempt },
      ...{ package: offer.id, grantedMs: offer.grantedMs, amountCents: offer.priceCents },
      ...{ currency: offer.currency, expiresAfterDays: offer.expiresAfterDays },
      ...{ livemode: deps.livemode, startedAt: now, customer: payer.customer, paymentMethod },
      createdAt: wall,
    });
    await tx
      .update(topUps)
      .set({ attempts: attempt, lastAt: now, tries: 0, nextTryAt: wall })
      .where(eq(topUps.org, org));
    return true;
  });
}

/** Looked at again after a while; whoever changes what is wrong ends the pause. */
async function pause(
  tx: Transaction,
  row: TopUpRow,
  trouble: string,
  now: number,
  pausedUntil: number = now + Math.max(row.coolOffMs, LEAST_PAUSE_MS),
): Promise<false> {
  await tx.update(topUps).set({ trouble, pausedUntil }).where(eq(topUps.org, row.org));
  return false;
}

const LEAST_PAUSE_MS = 60_000;
