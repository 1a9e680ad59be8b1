/** What was used day by day or period by period, as the ledger has it: those without use are in it. */
import { createRoute, z } from '@hono/zod-openapi';
import { sql } from 'drizzle-orm';
import { localDayBounds } from '../../../core/calendar/local-day.ts';
import type { Period } from '../../../core/calendar/period.ts';
import { daysFrom, periodsBetween } from '../../../core/calendar/spans.ts';
import type { Database } from '../../../drizzle/client.ts';
import type { HttpDeps } from '../deps.ts';
import { backendOrTicketSecurity } from '../openapi.ts';
import { requireMember, requireOrganization } from '../principal.ts';
import { problemResponses } from '../problem.ts';
import { bySourceSchema } from '../reading.ts';
import { newRouter } from '../router.ts';
import { idSchema, instant, instantSchema, json, orgParams } from '../schemas.ts';
import { amountOf, amountSchema, daySchema, type Range, rangeQuery, readRange } from './range.ts';

export const MAX_HISTORY_DAYS = 400;
export const MAX_HISTORY_MONTH_DAYS = 5 * 366;
const DEFAULT_DAYS = 30;
const DEFAULT_MONTH_DAYS = 365;
/** So far beyond a range may lie the period that cuts the gap at its edge. */
const NEIGHBOUR_MS = 70 * 86_400_000;

const sumsSchema = amountSchema.extend({
  bySource: bySourceSchema,
  sessions: z.int().min(0).openapi({ description: 'That began in it.' }),
});
const spanSchema = sumsSchema.extend({
  day: daySchema.nullable().openapi({ description: 'The local day; null by month.' }),
  startsAt: instantSchema,
  endsAt: instantSchema,
});
const historySchema = z
  .object({
    by: z.enum(['day', 'month']),
    timeZone: z.string(),
    from: daySchema,
    to: daySchema,
    items: z.array(spanSchema).openapi({ description: 'Every day or period of it, oldest first.' }),
    total: sumsSchema,
  })
  .openapi('UsageHistory');

const historyRoute = createRoute({
  method: 'get',
  path: '/v1/orgs/{org}/usage/history',
  tags: ['usage'],
  summary: 'What was used, by local day or by billing period',
  description:
    'From the ledger: what is not settled yet, about a second, is not in it. A day counts what was ' +
    `settled on it in the organization’s zone. Up to ${MAX_HISTORY_DAYS} days, or five years by month.`,
  security: backendOrTicketSecurity,
  request: {
    params: orgParams,
    query: rangeQuery.extend({
      by: z.enum(['day', 'month']).default('day').openapi({
        description: '`month`: the billing periods that the range touches, whole.',
      }),
      user: idSchema('ann').optional(),
    }),
  },
  responses: {
    200: json(historySchema, 'The history.'),
    ...problemResponses('organizationUnknown'),
  },
});

export function usageHistory(deps: HttpDeps) {
  const app = newRouter();
  app.openapi(historyRoute, async (c) => {
    const { org } = c.req.valid('param');
    const { by, user = null, ...asked } = c.req.valid('query');
    if (user === null) requireOrganization(c.get('principal'), org);
    else requireMember(c.get('principal'), org, user);
    const db = deps.db.of(org);
    const range = await readRange(db, org, asked, {
      now: deps.meterNow(),
      defaultDays: by === 'day' ? DEFAULT_DAYS : DEFAULT_MONTH_DAYS,
      maxDays: by === 'day' ? MAX_HISTORY_DAYS : MAX_HISTORY_MONTH_DAYS,
    });
    const spans = by === 'day' ? daysOf(range) : await periodsOf(db, org, range);
    const [used, began] = await Promise.all([
      by === 'day' ? usedByDay(db, org, user, range) : usedByPeriod(db, org, user, spans),
      sessionsBegun(db, org, user, spans),
    ]);
    const items = spans.map(({ day, startsAt, endsAt }, i) => ({
      ...{ day, startsAt: instant(startsAt), endsAt: instant(endsAt) },
      ...sumsOf([used.get(day ?? String(startsAt)) ?? NOTHING], began.get(i) ?? 0),
    }));
    const sessions = items.reduce((sum, it) => sum + it.sessions, 0);
    const total = sumsOf([...used.values()], sessions);
    const { timeZone, from, to } = range;
    return c.json({ by, timeZone, from, to, items, total }, 200);
  });
  return app;
}

interface Span extends Period {
  /** null: it is a billing period */
  day: string | null;
}

interface Used extends Record<string, unknown> {
  /** a local day, or the start of a period */
  of: string;
  planMs: number;
  extraMs: number;
  overageMs: number;
}
const NOTHING: Used = { of: '', planMs: 0, extraMs: 0, overageMs: 0 };

function sumsOf(parts: readonly Used[], sessions: number) {
  const sum = (of: (it: Used) => number) => parts.reduce((total, it) => total + of(it), 0);
  const bySource = {
    planMs: sum((it) => it.planMs),
    extraMs: sum((it) => it.extraMs),
    overageMs: sum((it) => it.overageMs),
  };
  const usedMs = bySource.planMs + bySource.extraMs + bySource.overageMs;
  return { ...amountOf(usedMs), bySource, sessions };
}

function daysOf({ from, to, timeZone }: Range): Span[] {
  return daysFrom(from, to).map((day) => ({ day, ...localDayBounds(day, timeZone) }));
}

async function periodsOf(db: Database, org: string, range: Range): Promise<Span[]> {
  const rows = await db.execute<Period & Record<string, unknown>>(sql`
    select epoch_ms(starts_at) as "startsAt", epoch_ms(ends_at) as "endsAt" from billing_periods
    where org = ${org} and ends_at > from_epoch_ms(${range.startsAt - NEIGHBOUR_MS})
      and starts_at < from_epoch_ms(${range.endsAt + NEIGHBOUR_MS}) order by starts_at`);
  const periods = periodsBetween(rows, range, range.startsAt, range.endsAt);
  return periods.map((period) => ({ day: null, ...period }));
}

const SUMS = sql`sum(plan_ms)::bigint as "planMs", sum(extra_ms)::bigint as "extraMs",
  sum(overage_ms)::bigint as "overageMs"`;
const ofUser = (user: string | null) => (user === null ? sql`true` : sql`user_id = ${user}`);

async function usedByDay(db: Database, org: string, user: string | null, { from, to }: Range) {
  return byName(
    await db.execute<Used>(sql`
      select day::text as of, ${SUMS} from daily_usage
      where org = ${org} and day between ${from}::date and ${to}::date and ${ofUser(user)}
      group by day`),
  );
}

async function usedByPeriod(db: Database, org: string, user: string | null, spans: Span[]) {
  const starts = sql.param(spans.map(({ startsAt }) => startsAt));
  return byName(
    await db.execute<Used>(sql`
      select epoch_ms(period)::text as of, ${SUMS} from monthly_usage_cache
      where org = ${org} and ${ofUser(user)}
        and period in (select from_epoch_ms(at) from unnest(${starts}::bigint[]) at)
      group by period`),
  );
}

function byName(rows: readonly Used[]): Map<string, Used> {
  return new Map(
    rows.map(({ of, planMs, extraMs, overageMs }) => [
      of,
      { of, planMs: Number(planMs), extraMs: Number(extraMs), overageMs: Number(overageMs) },
    ]),
  );
}

/** By the place of the span in the list; one in which none began is left out. */
async function sessionsBegun(
  db: Database,
  org: string,
  user: string | null,
  spans: Span[],
): Promise<Map<number, number>> {
  const starts = sql.param(spans.map(({ startsAt }) => startsAt));
  const ends = sql.param(spans.map(({ endsAt }) => endsAt));
  const rows = await db.execute<{ place: number; found: number }>(sql`
    select w.place::int as place, count(*)::int as found
    from unnest(${starts}::bigint[], ${ends}::bigint[])
      with ordinality as w (starts_at, ends_at, place)
    join sessions s on s.org = ${org} and ${ofUser(user)}
      and s.started_at >= from_epoch_ms(w.starts_at) and s.started_at < from_epoch_ms(w.ends_at)
    group by w.place`);
  return new Map(rows.map(({ place, found }) => [place - 1, found]));
}
