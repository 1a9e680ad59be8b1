import { sql } from 'drizzle-orm';
import type { Queryable } from '../client.ts';

/** Notes that the meter answered `recover` for a shard, once until it is recovered (rule 22). */
export async function requestRecovery(
  db: Queryable,
  shard: number,
  requestedBy: string,
): Promise<void> {
  await db.execute(sql`
    insert into recoveries (shard, requested_by) select ${shard}, ${requestedBy}
    where not exists (select from recoveries where shard = ${shard} and done_at is null)`);
}
