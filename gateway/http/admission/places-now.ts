/** Who records now, and who began today: what limits on sessions are held against. */
import { and, count, eq, gte, lt, sql } from 'drizzle-orm';
import { sessions } from '../../../drizzle/schema/sessions.ts';
import type { HttpDeps } from '../deps.ts';
import { recovering } from '../live-budgets.ts';

export interface PlacesNow {
  live: number;
  memberLive: number;
  /** for a place, in the queue */
  waiting: number;
  begun: number;
  memberBegun: number;
}

/**
 * As the meter knows it. Where it does not count the starts of the day, which it does from the first
 * one with such a limit, the ledger does; `asksStarts`: whether they are wanted then.
 * Throws 503 while the meter is being recovered.
 */
export async function placesNow(
  deps: Pick<HttpDeps, 'db' | 'meter' | 'recoveryNeeded'>,
  org: string,
  user: string | null,
  day: { startsAt: number; endsAt: number },
  asksStarts = true,
): Promise<PlacesNow> {
  const places = await deps.meter.readPlaces(org, user ?? '', day);
  if (places.status === 'recover') throw recovering(deps, org);
  const { live, memberLive, waiting } = places;
  const { begun, memberBegun } =
    places.isCounted || !asksStarts ? places : await begunOn(deps, org, user ?? '', day);
  return { live, memberLive, waiting, begun, memberBegun };
}

async function begunOn(
  { db }: Pick<HttpDeps, 'db'>,
  org: string,
  user: string,
  { startsAt, endsAt }: { startsAt: number; endsAt: number },
): Promise<{ begun: number; memberBegun: number }> {
  const ofDay = and(
    eq(sessions.org, org),
    gte(sessions.startedAt, startsAt),
    lt(sessions.startedAt, endsAt),
  );
  const own = count(sql`case when ${sessions.user} = ${user} then 1 end`);
  const [row] = await db
    .of(org)
    .select({ begun: count(), memberBegun: own })
    .from(sessions)
    .where(ofDay);
  return row!;
}
