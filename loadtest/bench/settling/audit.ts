/** After the timed part: whether a side has every minute once, and burnt its lots in their order. */
import type { Sql } from 'postgres';
import { quotaOf } from './work.ts';

/** Tables of the same columns, the product's or the peer's. */
export interface Books {
  minutes: string;
  lots: string;
  burns: string;
}

interface OfOrganization {
  org: string;
  ms: string;
  planMs: string;
  extraMs: string;
  overageMs: string;
}
interface OfLot {
  org: string;
  grantedMs: string;
  usedMs: string;
  burntMs: string;
}

/**
 * @param wanted what was recorded of each organization, in ms
 * @throws with the first thing that is wrong
 */
export async function audit(
  sql: Sql,
  books: Books,
  orgs: readonly string[],
  wanted: ReadonlyMap<string, number>,
): Promise<void> {
  const [minutes, lots, burns] = [sql(books.minutes), sql(books.lots), sql(books.burns)];
  const fail = (what: string, found: object) => {
    throw new Error(`${books.minutes} is wrong: ${what}. ${JSON.stringify(found)}`);
  };

  const holes = await sql`
    select org, session, minute, sum(ms) as ms from ${minutes} u group by org, session, minute
    having sum(ms) > 60000 or (sum(ms) < 60000 and minute < (select max(minute) from ${minutes} m
      where m.org = u.org and m.session = u.session)) limit 5`;
  if (holes.length > 0) fail('minutes that are not full, or more than full', holes);
  const missing = await sql`
    select org, session, count(distinct minute) as minutes, max(minute) as last from ${minutes}
    group by org, session having count(distinct minute) <> max(minute) + 1 limit 5`;
  if (missing.length > 0) fail('minutes are missing', missing);
  const crooked = await sql`
    select u.org, u.session, u.minute, u.extra_ms, sum(b.ms) as burnt from ${minutes} u
    left join ${burns} b using (org, session, minute, period)
    group by u.org, u.session, u.minute, u.period, u.ms, u.plan_ms, u.extra_ms, u.overage_ms
    having u.extra_ms <> coalesce(sum(b.ms), 0)
      or u.ms <> u.plan_ms + u.extra_ms + u.overage_ms limit 5`;
  if (crooked.length > 0) fail('minutes whose parts do not add up', crooked);

  const sums = await sql<OfOrganization[]>`
    select org, sum(ms) as ms, sum(plan_ms) as "planMs", sum(extra_ms) as "extraMs",
      sum(overage_ms) as "overageMs" from ${minutes} group by org`;
  const found = new Map(sums.map((row) => [row.org, row]));
  const ofLots = await sql<OfLot[]>`
    select p.org, granted_ms as "grantedMs", used_ms as "usedMs", coalesce(sum(b.ms), 0) as "burntMs"
    from ${lots} p left join ${burns} b on b.purchase = p.id
    group by p.org, p.id, granted_ms, used_ms, purchased_at order by p.org, purchased_at, p.id`;
  orgs.forEach((org, i) => {
    const ms = wanted.get(org) ?? 0;
    const planMs = Math.min(ms, quotaOf(i));
    const expected = { ms, planMs, extraMs: ms - planMs, overageMs: 0 };
    for (const [part, value] of Object.entries(expected)) {
      const row = found.get(org);
      if (Number(row?.[part as keyof OfOrganization] ?? 0) !== value)
        fail(`${part} of ${org}`, { expected, row });
    }
    const mine = ofLots.filter((lot) => lot.org === org);
    const used = mine.reduce((sum, lot) => sum + Number(lot.usedMs), 0);
    if (used !== expected.extraMs) fail(`what ${org} used of lots`, { used, expected });
    const open = mine.findIndex((lot) => Number(lot.usedMs) < Number(lot.grantedMs));
    mine.forEach((lot, at) => {
      if (Number(lot.usedMs) !== Number(lot.burntMs)) fail(`a lot of ${org} and its burns`, lot);
      if (open >= 0 && at > open && Number(lot.usedMs) > 0) fail(`the order of ${org}'s lots`, lot);
    });
  });
}
