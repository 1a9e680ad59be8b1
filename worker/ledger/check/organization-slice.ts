import type { Reading } from './snapshot.ts';

export interface Slice {
  orgs: string[];
  /** minute records that their sums name: what looking at them costs */
  minutes: number;
  /** where the next slice begins; null: these were the last */
  after: string | null;
}

export interface SliceLimits {
  organizations: number;
  /** an organization with more than this is a slice of its own */
  minutes: number;
}

/** The next organizations by id, as many as the limits allow, at least one if there is any. */
export async function nextSlice(tx: Reading, after: string, limits: SliceLimits): Promise<Slice> {
  const rows = await tx<{ org: string; minutes: number }[]>`
    select o.id as org, coalesce(sum(c.minutes), 0)::bigint as minutes
    from (select id from organizations where id > ${after} order by id
      limit ${limits.organizations}) o
    left join monthly_usage_cache c on c.org = o.id
    group by o.id order by o.id`;
  const orgs: string[] = [];
  let minutes = 0;
  for (const row of rows) {
    if (orgs.length > 0 && minutes + row.minutes > limits.minutes) break;
    orgs.push(row.org);
    minutes += row.minutes;
  }
  const isLast = orgs.length === rows.length && rows.length < limits.organizations;
  return { orgs, minutes, after: isLast ? null : orgs.at(-1)! };
}
