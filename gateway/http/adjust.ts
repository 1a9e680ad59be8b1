/**
 * A correction or a gift as an entry of the ledger, never a change of one. What gives serves at
 * once. What takes away must not touch time that was used by the old figures: the quota waits in
 * `decrease_pending`, lots wait for the worker, which settles what is open first. Goodwill gives minutes
 * back: no minute is rewritten, and what is given back for a session is never more than it was charged.
 */
import { randomUUID } from 'node:crypto';
import { and, eq, sql } from 'drizzle-orm';
import type { Transaction } from '../../drizzle/client.ts';
import { applyGrant, applyLimits } from '../../drizzle/queries/apply-limits.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { adjustments, extraMinutesPurchases } from '../../drizzle/schema/extra-minutes.ts';
import { billingPeriods } from '../../drizzle/schema/periods.ts';
import { sessions } from '../../drizzle/schema/sessions.ts';
import { organizationUnknown } from './live-budgets.ts';
import { ProblemError } from './problem.ts';
import { MAX_MINUTES, MS_PER_MINUTE } from './schemas.ts';

export interface Adjustment {
  org: string;
  /** Whom it concerns, for whoever reads the ledger; the minutes are the organization's. */
  user: string | null;
  kind: 'extra' | 'plan' | 'goodwill';
  /** goodwill only: the session it is for */
  session: string | null;
  /** Signed, not 0; goodwill only gives. */
  ms: number;
  reason: string;
  actor: string;
}

export type AdjustmentRow = typeof adjustments.$inferSelect;

/**
 * @param at meter instant
 * Throws 404 `organizationUnknown` and `sessionUnknown`, 422 for more goodwill than was charged, and for
 * adjustments of a period that come to too much.
 */
export async function adjust(
  tx: Transaction,
  what: Adjustment,
  at: number,
): Promise<AdjustmentRow> {
  if (what.kind === 'plan') return adjustPlan(tx, what, at);
  if (what.session === null) return adjustExtra(tx, what, at);
  const user = await memberToThank(tx, what, what.session);
  return adjustExtra(tx, { ...what, user }, at);
}

/** Whose session it is. Waits for others who give in this organization: two may not give it twice. */
async function memberToThank(
  tx: Transaction,
  { org, user, ms }: Adjustment,
  session: string,
): Promise<string> {
  await tx.execute(sql`select from organizations where id = ${org} for no key update`);
  const [row] = await tx
    .select({
      user: sessions.user,
      chargedMs: sessions.settledMs,
      givenMs: sql<number>`(select coalesce(sum(ms), 0)::bigint from adjustments
        where org = ${org} and session = ${session})`.mapWith(Number),
    })
    .from(sessions)
    .where(and(eq(sessions.org, org), eq(sessions.id, session)));
  if (row === undefined || (user !== null && row.user !== user)) {
    const whose = user === null ? '' : ` of the member "${user}"`;
    throw new ProblemError(
      'sessionUnknown',
      `The ledger has no session "${session}"${whose}. One that has just begun is in it in a second.`,
    );
  }
  const { chargedMs, givenMs } = row;
  if (givenMs + ms <= chargedMs) return row.user;
  const detail = `is at most ${(chargedMs - givenMs) / MS_PER_MINUTE} for this session`;
  throw new ProblemError(
    'invalid',
    `The session "${session}" was charged ${chargedMs} ms, and ${givenMs} ms of it were given back: ${ms} ms more is too much. Leave session out to give more.`,
    { errors: [{ pointer: '/minutes', detail }] },
  );
}

async function adjustPlan(tx: Transaction, what: Adjustment, at: number): Promise<AdjustmentRow> {
  const period = await ensurePeriod(tx, what.org, at);
  if (period === null) throw organizationUnknown(what.org);
  const row = await insert(tx, what, { at, period: period.startsAt, appliedAt: at });
  const [after] = await tx
    .update(billingPeriods)
    .set({ adjustedMs: sql`${billingPeriods.adjustedMs} + ${what.ms}` })
    .where(and(eq(billingPeriods.org, what.org), eq(billingPeriods.startsAt, period.startsAt)))
    .returning({ adjustedMs: billingPeriods.adjustedMs });
  // However often: sums must stay far from where integers stop being exact.
  if (Math.abs(after!.adjustedMs) > MAX_MINUTES * MS_PER_MINUTE) throw tooMuch(after!.adjustedMs);
  await applyLimits(tx, [what.org], at);
  return row;
}

function tooMuch(adjustedMs: number): ProblemError {
  const detail = `brings the adjustments of this period to ${adjustedMs / MS_PER_MINUTE} minutes`;
  return new ProblemError(
    'invalid',
    `This ${detail}, and ${MAX_MINUTES} either way are the most. For a quota beyond it use a plan without a limit.`,
    { errors: [{ pointer: '/minutes', detail }] },
  );
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
  { org, user, kind, session, ms, reason, actor }: Adjustment,
  when: { at: number; period: number | null; appliedAt: number | null },
): Promise<AdjustmentRow> {
  const [row] = await tx
    .insert(adjustments)
    .values({
      id: randomUUID(),
      org,
      user,
      kind,
      session,
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
