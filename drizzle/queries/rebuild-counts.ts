import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../client.ts';

/** Rows that said something else than what they are derived from. */
export interface Recounted {
  quotas: number;
  days: number;
}

/** Who counts anew, and by which command: both are in the names of the audit log. */
export interface Recounter {
  actor: string;
  area: string;
}

/** Counts an organization anew, with an entry in the audit log for what that changed; answers that. */
export function recountOrganization(
  db: Database,
  org: string,
  { actor, area }: Recounter,
): Promise<{ action: string; rows: number }[]> {
  return db.transaction(async (tx) => {
    const { quotas, days } = await rebuildCounts(tx, org);
    const done = [
      { action: 'rebuild.pieces', rows: quotas },
      { action: 'rebuild.costs', rows: days },
    ].filter(({ rows }) => rows > 0);
    for (const { action, rows } of done) {
      await tx.execute(sql`
        insert into audit_log (actor, action, org, detail) values (${actor},
          ${`${area}.${action}`}, ${org}, ${JSON.stringify({ rows })}::jsonb)`);
    }
    return done;
  });
}

/**
 * Counts pieces and daily costs of an organization anew, from `feature_consumptions` and `usage_events`.
 * May run while they are counted: first the rows are locked, in the order in which requests lock them,
 * and what is read by the statement after that has been committed together with its count, or has not
 * counted yet and waits.
 */
export async function rebuildCounts(tx: Transaction, org: string): Promise<Recounted> {
  await tx.execute(sql`
    select from usage_quotas where org = ${org}
    order by feature, user_id <> '', user_id, per, starts_at for update`);
  const quotas = await tx.execute(sql`
    update usage_quotas q set used = s.used
    from (
      select k.org, k.user_id, k.feature, k.per, k.starts_at,
        coalesce(sum(c.quantity), 0)::bigint as used
      from usage_quotas k left join feature_consumptions c
        on c.org = k.org and c.feature = k.feature and c.undone_at is null
          and (k.user_id = '' or c.user_id = k.user_id)
          and k.starts_at = case k.per when 'day' then c.day_starts_at else c.month_starts_at end
      where k.org = ${org} group by k.org, k.user_id, k.feature, k.per, k.starts_at
    ) s
    where (q.org, q.user_id, q.feature, q.per, q.starts_at) =
        (s.org, s.user_id, s.feature, s.per, s.starts_at) and q.used <> s.used`);

  // A day without a row could not be locked.
  await tx.execute(sql`
    insert into daily_costs (org, day) select distinct org, day from usage_events
    where org = ${org} order by day on conflict do nothing`);
  await tx.execute(sql`select from daily_costs where org = ${org} order by day for update`);
  const days = await tx.execute(sql`
    update daily_costs d set cost_micros = s.cost, events = s.events
    from (
      select k.day, coalesce(sum(e.cost_micros), 0)::bigint as cost, count(e.id) as events
      from daily_costs k left join usage_events e on e.org = k.org and e.day = k.day
      where k.org = ${org} group by k.day
    ) s
    where d.org = ${org} and d.day = s.day and (d.cost_micros, d.events) <> (s.cost, s.events)`);
  return { quotas: quotas.count, days: days.count };
}
