import { memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import { nullIfPart } from '../../core/meter/servers.ts';
import type { Log } from '../../core/runtime/log.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { type Repeated, repeat } from '../repeat.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Meter time before a boundary from which the next period's row is there. */
const ROWS_AHEAD_MS = 2 * DAY_MS;
/** Real time before a boundary from which the meter knows the next period of whoever records. */
const SEEDS_AHEAD_MS = 5 * 60_000;
const PERIODS_A_TURN = 1_000;
const PARTITIONS_AHEAD_MONTHS = 4;

interface Ending {
  org: string;
  endsAt: number;
}

/**
 * Makes the rows of periods and the partitions of months before they are needed, and tells the meter
 * of the next period of organizations that record, so that no charge waits at a boundary. Whoever
 * needs one that is missing all the same makes it (rule 19 in core/meter/README.md).
 * Answers how many periods were made.
 */
export async function prepareAhead(context: LedgerContext): Promise<number> {
  const { sql, db } = context;
  const clock = await readClock(db);
  const now = meterNow(clock, context.wallMs());
  await sql`
    select make_usage_partitions((from_epoch_ms(${now}) at time zone 'UTC')::date,
      ${PARTITIONS_AHEAD_MONTHS})`;
  const ending = await sql<Ending[]>`
    select b.org, epoch_ms(b.ends_at) as "endsAt" from billing_periods b
    where b.ends_at > from_epoch_ms(${now}) and b.ends_at <= from_epoch_ms(${now + ROWS_AHEAD_MS})
      and not exists (select from billing_periods n where n.org = b.org and n.starts_at = b.ends_at)
    order by b.ends_at limit ${PERIODS_A_TURN}`;
  for (const { org, endsAt } of ending) await ensurePeriod(db, org, endsAt);
  await seedLive(context, now, now + SEEDS_AHEAD_MS * clock.speed);
  return ending.length;
}

async function seedLive(context: LedgerContext, from: number, to: number): Promise<void> {
  const soon = await context.sql<{ org: string; endsAt: number }[]>`
    select b.org, epoch_ms(b.ends_at) as "endsAt" from billing_periods b
    where b.ends_at > from_epoch_ms(${from}) and b.ends_at <= from_epoch_ms(${Math.floor(to)})
      and exists (select from sessions s where s.org = b.org and s.state = 'live')
    order by b.ends_at limit ${PERIODS_A_TURN}`;
  for (const { org, endsAt } of soon) {
    const live = await context.meter.liveSessions(org).catch(nullIfPart);
    if (live === null || live.status === 'recover' || live.sessions.length === 0) continue;
    const users = [...new Set(live.sessions.map((row) => row.user))];
    const names = [
      organizationBudget(org, endsAt),
      ...users.map((user) => memberBudget(org, user, endsAt)),
    ];
    const seeds = await loadSeeds(context.db, org, names);
    if (seeds !== null) await context.meter.seed(seeds).catch(nullIfPart);
  }
}

export function startPeriodAhead(context: LedgerContext, everyMs: number, log: Log): Repeated {
  return repeat({
    name: 'period-ahead',
    everyMs,
    log,
    async run() {
      while ((await prepareAhead(context)) === PERIODS_A_TURN);
    },
  });
}
