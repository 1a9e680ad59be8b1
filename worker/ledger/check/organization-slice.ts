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

/** As many of them as have so many rows together, at least one if there is any. */
export function firstWithin<Row extends { rows: number }>(
  found: readonly Row[],
  rows: number,
): Row[] {
  let sum = 0;
  const end = found.findIndex((it, i) => {
    sum += it.rows;
    return i > 0 && sum > rows;
  });
  return found.slice(0, end < 0 ? found.length : end);
}

/** The next organizations by id, as many as the limits allow, at least one if there is any. */
export async function nextSlice(tx: Reading, after: string, limits: SliceLimits): Promise<Slice> {
  const found = await tx<{ org: string; rows: number }[]>`
    select o.id as org, coalesce(sum(c.minutes), 0)::bigint as rows
    from (select id from organizations where id > ${after} order by id
      limit ${limits.organizations}) o
    left join monthly_usage_cache c on c.org = o.id
    group by o.id order by o.id`;
  const taken = firstWithin(found, limits.minutes);
  const isLast = taken.length === found.length && found.length < limits.organizations;
  return {
    orgs: taken.map(({ org }) => org),
    minutes: taken.reduce((sum, { rows }) => sum + rows, 0),
    after: isLast ? null : taken.at(-1)!.org,
  };
}
