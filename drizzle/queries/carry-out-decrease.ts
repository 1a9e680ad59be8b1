import { sql } from 'drizzle-orm';
import type { Transaction } from '../client.ts';

/**
 * Moves the limits that waited. Call it under the shard's lock, after what was open has been
 * settled by the old figures.
 */
export async function carryOutDecrease(tx: Transaction, org: string): Promise<void> {
  await tx.execute(sql`select from organizations where id = ${org} for update`);
  await tx.execute(sql`
    update billing_periods b set decrease_pending = false, mode = limit_mode(p, o),
      quota_ms = limit_quota(p.quota_ms, o.quota_ms, b.adjusted_ms),
      overage_cap_ms = p.overage_cap_ms, version = o.limit_version
    from organizations o join plans p on p.id = o.plan
    where b.org = ${org} and o.id = b.org and b.decrease_pending`);
}
