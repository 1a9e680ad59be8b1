/** Lots whose time is over: what is left of them is gone, and what was recorded before is not touched. */
import { sql } from 'drizzle-orm';
import type { Transaction } from '../../drizzle/client.ts';
import { applyGrant } from '../../drizzle/queries/apply-limits.ts';
import { writeAudit } from './audit.ts';
import { settleOpen } from './grant.ts';
import { LEDGER_LOCK } from './reads.ts';
import type { LedgerContext } from './settle.ts';

interface Expired extends Record<string, unknown> {
  lot: string;
  org: string;
  leftMs: number;
  expiresAt: number;
}

export interface ExpiryInstants {
  /** lots that expire up to here, a meter instant */
  until: number;
  /** the meter instant of carrying it out */
  at: number;
}

/**
 * Carries the expiry of lots out, for organizations of one shard: first everything open is settled by
 * the old figures (rule 4 of README.md), so that what was recorded while a lot was good is burnt from
 * it; then the lot is passed over. The outbox tells the meter.
 * @returns lots that expired by this; null: the shard has to be recovered first
 */
export async function expireLots(
  context: LedgerContext,
  shard: number,
  orgs: readonly string[],
  { until, at }: ExpiryInstants,
): Promise<number | null> {
  if (!(await settleOpen(context, shard))) return null;
  return context.db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${LEDGER_LOCK}::integer, ${shard}::integer)`);
    const mine = sql.param([...orgs]);
    await tx.execute(sql`
      select from organizations where id = any(${mine}::text[]) order by id for no key update`);
    const expired = await tx.execute<Expired>(sql`
      update extra_minutes_purchases set expired_at = from_epoch_ms(${at})
      where org = any(${mine}::text[]) and expired_at is null and expires_at <= from_epoch_ms(${until})
      returning id as lot, org, granted_ms - reversed_ms - used_ms as "leftMs",
        epoch_ms(expires_at) as "expiresAt"`);
    await tell(tx, [...expired]);
    return expired.length;
  });
}

async function tell(tx: Transaction, expired: readonly Expired[]): Promise<void> {
  for (const { lot, org, leftMs, expiresAt } of expired) {
    // Below 0 it is a debt: more was used of it than its payment leaves.
    const detail = { leftMs: Math.max(0, leftMs), expiresAt };
    await writeAudit(tx, { actor: 'worker', action: 'lot.expired', org, subject: lot, detail });
  }
  for (const org of [...new Set(expired.map((it) => it.org))].sort()) await applyGrant(tx, org);
}
