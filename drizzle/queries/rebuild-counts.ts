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
  await lockPieces(tx, org);
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

/**
 * Locks each count of pieces, and makes those that are missing, in one pass: a row made before or after
 * the others were locked would be out of the order. (`where false` locks and changes nothing.) When a
 * window ends is for whoever reads the table; no count goes by it, and the next one sets it. An undo in
 * the very moment in which its row is made may miss it; the next look finds that.
 */
async function lockPieces(tx: Transaction, org: string): Promise<void> {
  await tx.execute(sql`
    insert into usage_quotas as q (org, user_id, feature, per, starts_at, ends_at)
    select o.id, w.user_id, w.feature, w.per, w.starts_at, coalesce(w.ends_at,
      (select max(k.ends_at) from usage_quotas k
        where k.org = o.id and k.per = w.per and k.starts_at = w.starts_at),
      (select b.ends_at from billing_periods b
        where w.per = 'month' and b.org = o.id and b.starts_at = w.starts_at),
      (w.starts_at at time zone o.time_zone + ('1 ' || w.per)::interval) at time zone o.time_zone)
    from organizations o cross join lateral (
      select user_id, feature, per, starts_at, max(ends_at) as ends_at from (
        select k.user_id, k.feature, k.per, k.starts_at, k.ends_at from usage_quotas k
        where k.org = o.id
        union all
        select own.user_id, c.feature, own.per, own.starts_at, null
        from feature_consumptions c cross join lateral (values
          ('', 'day', c.day_starts_at), ('', 'month', c.month_starts_at),
          (c.user_id, 'day', c.day_starts_at), (c.user_id, 'month', c.month_starts_at)
        ) as own (user_id, per, starts_at)
        where c.org = o.id and c.undone_at is null
      ) found group by user_id, feature, per, starts_at
    ) w
    where o.id = ${org}
    order by w.feature, w.user_id <> '', w.user_id, w.per, w.starts_at
    on conflict (org, user_id, feature, per, starts_at) do update set used = q.used where false`);
}
