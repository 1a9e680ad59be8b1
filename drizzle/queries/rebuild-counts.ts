import { sql } from 'drizzle-orm';
import type { Database, Queryable, Transaction } from '../client.ts';

/** Rows that said something else than what they are derived from. */
export interface Recounted {
  quotas: number;
  days: number;
}

/** Who counts anew, and by which command: both are in the names of the audit log. */
export interface Recounter {
  actor: string;
  area: 'operator' | 'reconcile';
}

/** As the audit log names it, after the area. */
export const RECOUNT_ACTIONS = { quotas: 'rebuild.pieces', days: 'rebuild.costs' } as const;
export const RECOUNTED = ['quotas', 'days'] as const satisfies (keyof Recounted)[];

/**
 * The organizations of these whose counts differ from what they are derived from. Takes no lock: what is
 * counted is written in one transaction with its count, and this is one statement, of one snapshot.
 */
export async function findCounts(
  db: Queryable,
  orgs: readonly string[],
): Promise<(Recounted & { org: string })[]> {
  if (orgs.length === 0) return [];
  const asked = sql`(${sql.join(
    orgs.map((org) => sql`${org}`),
    sql`, `,
  )})`;
  const rows = await db.execute<{ org: string; quotas: number; days: number }>(sql`
    with wrong as (
      select q.org, 1 as quotas, 0 as days
      from usage_quotas q left join feature_consumptions c
        on c.org = q.org and c.feature = q.feature and c.undone_at is null
          and (q.user_id = '' or c.user_id = q.user_id)
          and q.starts_at = case q.per when 'day' then c.day_starts_at else c.month_starts_at end
      where q.org in ${asked}
      group by q.org, q.user_id, q.feature, q.per, q.starts_at, q.used
      having q.used <> coalesce(sum(c.quantity), 0)
      union all
      select coalesce(d.org, e.org), 0, 1
      from (select * from daily_costs where org in ${asked}) d
      full join (
        select org, day, sum(cost_micros) as cost, count(*) as events from usage_events
        where org in ${asked} group by org, day
      ) e on e.org = d.org and e.day = d.day
      where (coalesce(d.cost_micros, 0), coalesce(d.events, 0))
        <> (coalesce(e.cost, 0), coalesce(e.events, 0))
    )
    select org, sum(quotas)::int as quotas, sum(days)::int as days from wrong
    group by org order by org`);
  return [...rows];
}

/** Counts an organization anew, and leaves an entry in the audit log where that changed something. */
export function recountOrganization(
  db: Database,
  org: string,
  { actor, area }: Recounter,
): Promise<Recounted> {
  return db.transaction(async (tx) => {
    const done = await rebuildCounts(tx, org);
    for (const what of RECOUNTED) {
      if (done[what] === 0) continue;
      await tx.execute(sql`
        insert into audit_log (actor, action, org, detail) values (${actor},
          ${`${area}.${RECOUNT_ACTIONS[what]}`}, ${org}, ${JSON.stringify({ rows: done[what] })}::jsonb)`);
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
