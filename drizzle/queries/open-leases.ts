import { sql } from 'drizzle-orm';
import type { Queryable } from '../client.ts';

/** Long after any lease: a session that neither the meter nor the ledger ever had. */
const NEVER_SEEN_AFTER = '2 days';

/**
 * Real ms that each session without a socket may be silent, by `org|session`. Those that the ledger
 * knows to be over are closed by the way: nobody else may have been there to do it.
 */
export async function openLeases(db: Queryable): Promise<Map<string, number>> {
  await db.execute(sql`
    update session_leases l set ended_at = now()
    where ended_at is null and (
      exists (select from sessions s where s.org = l.org and s.id = l.session and s.state <> 'live')
      or made_at < now() - ${NEVER_SEEN_AFTER}::interval and not exists (
        select from sessions s where s.org = l.org and s.id = l.session))`);
  const rows = await db.execute<{ key: string; leaseMs: number }>(sql`
    select org || '|' || session as key, lease_ms as "leaseMs" from session_leases
    where ended_at is null`);
  return new Map(rows.map(({ key, leaseMs }) => [key, leaseMs]));
}
