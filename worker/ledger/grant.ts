import { sql } from 'drizzle-orm';
import { shardOf } from '../../core/meter/keys.ts';
import type { Database, Transaction } from '../../drizzle/client.ts';
import { applyGrant } from '../../drizzle/queries/apply-limits.ts';
import { BURN_ORDER_REVERSED } from '../../drizzle/queries/burn-order.ts';
import { carryOutDecrease } from '../../drizzle/queries/carry-out-decrease.ts';
import { writeAudit } from './audit.ts';
import { LEDGER_LOCK } from './reads.ts';
import { lotChanges, reverseLots } from './reverse.ts';
import { type LedgerContext, settle } from './settle.ts';

const FIELDS_A_BATCH = 500;

interface Waiting extends Record<string, unknown> {
  limits: boolean;
  taken: boolean;
  bought: boolean;
}

/**
 * Carries out what lowers the use an organization may make: smaller limits, extra minutes taken back,
 * refunded, disputed or lent no longer. First everything open is written and settled by the old figures, so that nobody is charged
 * overage for what was within the plan when it was recorded (rule 4 of README.md). What is recorded
 * within the milliseconds from there to the meter's new figures is split by the new ones. What gives
 * minutes back to a lot needs no settling, and the same lock.
 * Answers false where the shard has to be recovered first.
 */
export async function carryOut(context: LedgerContext, org: string, at: number): Promise<boolean> {
  for (;;) {
    const { gives, lowers } = await waitingOf(context.db, org);
    if (!gives && !lowers) return true;
    if (lowers && !(await settleOpen(context, shardOf(org)))) return false;
    const isDone = await context.db.transaction(async (tx) => {
      await tx.execute(
        sql`select pg_advisory_xact_lock(${LEDGER_LOCK}::integer, ${shardOf(org)}::integer)`,
      );
      if (lowers) await carryOutDecrease(tx, org);
      const isWhole = await reverseLots(tx, org, { at, mayLower: lowers });
      if (lowers) await takeBack(tx, org, at);
      return isWhole;
    });
    // Not done: what lowers came in between, and what is open was not settled before it.
    if (isDone) return true;
  }
}

async function waitingOf(db: Database, org: string) {
  const [waiting] = await db.execute<Waiting>(sql`
    select exists (select from billing_periods where org = ${org} and decrease_pending) as limits,
      exists (select from adjustments where org = ${org} and applied_at is null) as taken,
      exists (select from payments where org = ${org}) as bought`);
  const { limits, taken, bought } = waiting!;
  const changes = bought ? await lotChanges(db, org) : [];
  return {
    gives: changes.length > 0,
    lowers: limits || taken || changes.some(({ isLowering }) => isLowering),
  };
}

/** Writes the shard's open minutes to the unsettled set, and settles all of it. */
export async function settleOpen(context: LedgerContext, shard: number): Promise<boolean> {
  const glance = await context.meter.pending(shard, { limit: 1 });
  if (glance.status === 'recover') return false;
  await context.meter.flush(shard);
  for (;;) {
    const outcome = await settle(context, shard, { limit: FIELDS_A_BATCH });
    if (outcome.status === 'recover') return false;
    if (outcome.fields < FIELDS_A_BATCH || outcome.committed === 0) return true;
  }
}

interface Taking extends Record<string, unknown> {
  id: string;
  ms: number;
}
interface LeftLot extends Record<string, unknown> {
  id: string;
  leftMs: number;
}

/**
 * Takes extra minutes back by adjustments below zero: from the lots that would burn last, from frozen
 * ones after all that serve, and from none that is only lent. What was used already can't be taken: it
 * is noted with the adjustment, and never becomes negative use. It stays taken whatever a refund or a
 * dispute reverses of the rest, since `taken_ms` says what part of `reversed_ms` it is.
 */
async function takeBack(tx: Transaction, org: string, at: number): Promise<void> {
  const takings = await tx.execute<Taking>(sql`
    select id, -ms as ms from adjustments
    where org = ${org} and applied_at is null and kind = 'extra' and ms < 0
    order by created_at, id for update`);
  if (takings.length === 0) return;
  const lots = await tx.execute<LeftLot>(sql`
    select id, granted_ms - reversed_ms - used_ms as "leftMs" from extra_minutes_purchases
    where org = ${org} and expired_at is null and held_at is null
      and used_ms < granted_ms - reversed_ms
    order by frozen_at is not null, ${sql.raw(BURN_ORDER_REVERSED)} for update`);
  for (const { id, ms } of takings) {
    let rest = ms;
    for (const lot of lots) {
      const part = Math.min(rest, lot.leftMs);
      if (part === 0) continue;
      lot.leftMs -= part;
      rest -= part;
      await tx.execute(sql`
        update extra_minutes_purchases set reversed_ms = reversed_ms + ${part},
          taken_ms = taken_ms + ${part} where id = ${lot.id}`);
    }
    await tx.execute(sql`
      update adjustments set applied_at = from_epoch_ms(${at}), unapplied_ms = ${rest}
      where id = ${id}`);
    const detail = { takenMs: ms - rest, unappliedMs: rest };
    await writeAudit(tx, {
      actor: 'worker',
      action: 'adjustment.takenBack',
      org,
      subject: id,
      detail,
    });
  }
  await applyGrant(tx, org);
}
