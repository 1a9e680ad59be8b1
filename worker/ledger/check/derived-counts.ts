/**
 * Pieces of features and costs of days as they are counted, beside what was consumed and spent: each read
 * answers only the rows that differ, of one snapshot. Both sides are written in one transaction.
 */
import { type Finding, finding } from './finding.ts';
import type { When } from './periods.ts';
import type { Reading } from './snapshot.ts';

/** 10,000 a cent, as they are kept. */
const MICROS_PER_CENT = 10_000;

export interface WrongPieces {
  org: string;
  /** '': the whole organization's */
  user: string;
  feature: string;
  per: 'day' | 'month';
  startsAt: number;
  /** null: the row is missing */
  stored: number | null;
  real: number;
}
export interface WrongCost {
  org: string;
  day: string;
  /** zeros where the row is missing */
  stored: { costMicros: number; events: number };
  real: { costMicros: number; events: number };
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** The longest billing month, and the latest time zone. */
const LONGEST_MONTH_MS = 33 * DAY_MS;
/** Today and yesterday, wherever the organization lives: what went wrong at its end is seen, too. */
const RECENT_DAYS_MS = 3 * DAY_MS;

/** From where on windows are looked at, as texts that Postgres reads. */
export interface Since {
  monthStartsAt: string;
  dayStartsAt: string;
  day: string;
}
const EVER: Since = { monthStartsAt: '-infinity', dayStartsAt: '-infinity', day: '-infinity' };

/**
 * The windows that count now, and those of a day or two ago: what was ever consumed or spent only
 * grows, and what is looked at all the time must not. @param now meter instant
 */
export function presentSince(now: number): Since {
  const text = (at: number) => new Date(at).toISOString();
  const dayStartsAt = text(now - RECENT_DAYS_MS);
  const monthStartsAt = text(now - LONGEST_MONTH_MS - RECENT_DAYS_MS);
  return { monthStartsAt, dayStartsAt, day: dayStartsAt.slice(0, 10) };
}

const sinceOf = (when?: When): Since => (when?.isPresentOnly ? presentSince(when.now) : EVER);

export function wrongPieces(tx: Reading, orgs: string[], when?: When): Promise<WrongPieces[]> {
  const { monthStartsAt, dayStartsAt } = sinceOf(when);
  const month = tx`${monthStartsAt}::text::timestamptz`;
  const isLookedAt = tx`
    starts_at >= case per when 'day' then ${dayStartsAt}::text::timestamptz else ${month} end`;
  return tx<WrongPieces[]>`
    with counted as (select org, user_id, feature, per, starts_at, used from usage_quotas
      where org = any(${orgs}) and ${isLookedAt}),
    consumed as (
      select c.org, w.user_id, c.feature, w.per, w.starts_at, sum(c.quantity)::bigint as pieces
      from feature_consumptions c cross join lateral (values
        ('', 'day', c.day_starts_at), ('', 'month', c.month_starts_at),
        (c.user_id, 'day', c.day_starts_at), (c.user_id, 'month', c.month_starts_at)
      ) as w (user_id, per, starts_at)
      where c.org = any(${orgs}) and c.undone_at is null and c.month_starts_at >= ${month}
        and ${isLookedAt}
      group by c.org, w.user_id, c.feature, w.per, w.starts_at)
    select org, user_id as user, feature, per, epoch_ms(starts_at) as "startsAt",
      used as stored, coalesce(pieces, 0) as real
    from counted full join consumed using (org, user_id, feature, per, starts_at)
    where coalesce(used, 0) <> coalesce(pieces, 0)
    order by 1, 3, 2, 4, 5`;
}

export function wrongCosts(tx: Reading, orgs: string[], when?: When): Promise<WrongCost[]> {
  const isLookedAt = tx`org = any(${orgs}) and day >= ${sinceOf(when).day}::text::date`;
  return tx<WrongCost[]>`
    with d as (select * from daily_costs where ${isLookedAt}),
    e as (select org, day, sum(cost_micros)::bigint as cost, count(*) as events from usage_events
      where ${isLookedAt} group by org, day)
    select coalesce(d.org, e.org) as org, coalesce(d.day, e.day)::text as day,
      json_build_object('costMicros', coalesce(d.cost_micros, 0), 'events', coalesce(d.events, 0))
        as stored,
      json_build_object('costMicros', coalesce(e.cost, 0), 'events', coalesce(e.events, 0)) as real
    from d full join e on e.org = d.org and e.day = d.day
    where (coalesce(d.cost_micros, 0), coalesce(d.events, 0))
      <> (coalesce(e.cost, 0), coalesce(e.events, 0))
    order by 1, 2`;
}

export function judgePieces(rows: readonly WrongPieces[]): Finding[] {
  return rows.map(({ org, user, feature, per, startsAt, stored, real }) => {
    const since = new Date(startsAt).toISOString();
    const whose = user === '' ? org : `${user} in ${org}`;
    const counts = stored === null ? 'has no count' : `counts ${stored}`;
    return finding('pieceCounts', {
      org,
      subject: `${feature} ${user || 'all'} ${per} ${since}`,
      says: `The ${per} from ${since} of ${whose} ${counts} of "${feature}" where ${real} were consumed.`,
      figures: { stored, real },
    });
  });
}

export function judgeCosts(rows: readonly WrongCost[]): Finding[] {
  return rows.map(({ org, day, stored, real }) => {
    const text = (it: WrongCost['stored']) =>
      `${it.costMicros / MICROS_PER_CENT} cents of ${it.events} events`;
    return finding('dailyCosts', {
      org,
      subject: day,
      says: `The day ${day} of ${org} says ${text(stored)} where its usage events come to ${text(real)}.`,
      figures: {
        storedCents: stored.costMicros / MICROS_PER_CENT,
        realCents: real.costMicros / MICROS_PER_CENT,
        ...{ storedEvents: stored.events, realEvents: real.events },
      },
    });
  });
}
