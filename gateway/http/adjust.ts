/**
 * A correction or a gift as an entry of the ledger, never a change of one. What gives serves at
 * once. What takes away must not touch time that was used by the old figures: the quota waits in
 * `decrease_pending`, lots wait for the worker, which settles what is open first.
 */
import { randomUUID } from 'node:crypto';
import { and, eq, sql } from 'drizzle-orm';
import type { Transaction } from '../../drizzle/client.ts';
import { applyGrant, applyLimits } from '../../drizzle/queries/apply-limits.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { adjustments, extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { organizationUnknown } from './live-budgets.ts';

export interface Adjustment {
  org: string;
  /** Whom it concerns, for whoever reads the ledger; the minutes are the organization's. */
  user: string | null;
  kind: 'extra' | 'plan';
  /** Signed, not 0. */
  ms: number;
  reason: string;
  actor: string;
}

export type AdjustmentRow = typeof adjustments.$inferSelect;

/** @param at meter instant. Throws 404 `organizationUnknown`. */
export async function adjust(
  tx: Transaction,
  what: Adjustment,
  at: number,
): Promise<AdjustmentRow> {
  return what.kind === 'plan' ? adjustPlan(tx, what, at) : adjustExtra(tx, what, at);
}

async function adjustPlan(tx: Transaction, what: Adjustment, at: number): Promise<AdjustmentRow> {
  const period = await ensurePeriod(tx, what.org, at);
  if (period === null) throw organizationUnknown(what.org);
  const row = await insert(tx, what, { at, period: period.startsAt, appliedAt: at });
  await tx
    .update(billingPeriods)
    .set({ adjustedMs: sql`${billingPeriods.adjustedMs} + ${what.ms}` })
    .where(and(eq(billingPeriods.org, what.org), eq(billingPeriods.startsAt, period.startsAt)));
  await applyLimits(tx, [what.org], at);
  return row;
}

async function adjustExtra(tx: Transaction, what: Adjustment, at: number): Promise<AdjustmentRow> {
  const isGift = what.ms > 0;
  const row = await insert(tx, what, { at, period: null, appliedAt: isGift ? at : null });
  if (isGift) {
    await tx.insert(extraMinutesPurchases).values({
      id: row.id,
      org: what.org,
      grantedMs: what.ms,
      purchasedAt: at,
      source: 'adjustment',
      adjustment: row.id,
    });
  }
  // Also where it takes: the word in the outbox is what wakes the worker.
  await applyGrant(tx, what.org);
  return row;
}

async function insert(
  tx: Transaction,
  { org, user, kind, ms, reason, actor }: Adjustment,
  when: { at: number; period: number | null; appliedAt: number | null },
): Promise<AdjustmentRow> {
  const [row] = await tx
    .insert(adjustments)
    .values({
      id: randomUUID(),
      org,
      user,
      kind,
      ms,
      reason,
      actor,
      period: when.period,
      createdAt: when.at,
      appliedAt: when.appliedAt,
    })
    .returning();
  return row!;
}
