import { presentSince } from './derived-counts.ts';
import { firstWithin, type SliceLimits } from './organization-slice.ts';
import type { When } from './periods.ts';
import type { Reading } from './snapshot.ts';

export interface CountSlice {
  orgs: string[];
  /** consumptions and usage events behind their present counts: what looking at them costs */
  rows: number;
  /** where the next slice begins; null: these were the last */
  after: string | null;
}

/**
 * The next organizations by id whose present counts stand on so many rows, at least one if there is any.
 * No more than `rows` of one are counted to know that it is too many: the count must not cost what the
 * slice is to save.
 */
export async function nextCountSlice(
  tx: Reading,
  after: string,
  limits: Pick<SliceLimits, 'organizations'> & { rows: number },
  { now }: When,
): Promise<CountSlice> {
  const { day, monthStartsAt } = presentSince(now);
  const found = await tx<{ org: string; rows: number }[]>`
    select o.id as org, (pieces.rows + events.rows)::int as rows
    from (select id from organizations where id > ${after} order by id
      limit ${limits.organizations}) o
    cross join lateral (select count(*) as rows from (
      select from feature_consumptions c where c.org = o.id and c.month_starts_at >= ${monthStartsAt}::text::timestamptz
      limit ${limits.rows}) found) pieces
    cross join lateral (select count(*) as rows from (
      select from usage_events e where e.org = o.id and e.day >= ${day}::text::date
      limit ${limits.rows}) found) events
    order by o.id`;
  const taken = firstWithin(found, limits.rows);
  const isLast = taken.length === found.length && found.length < limits.organizations;
  return {
    orgs: taken.map(({ org }) => org),
    rows: taken.reduce((sum, { rows }) => sum + rows, 0),
    after: isLast ? null : taken.at(-1)!.org,
  };
}
