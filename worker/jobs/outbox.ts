import type postgres from 'postgres';
import { type BudgetName, memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import { nullIfPart } from '../../core/meter/servers.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import { carryOutReset } from '../../drizzle/queries/carry-out-reset.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { carryOut } from '../ledger/grant.ts';
import { groupBy } from '../ledger/grouping.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { repeat } from '../repeat.ts';

const WORDS_A_TURN = 500;
const BUDGETS_A_SEED = 200;

interface Word {
  id: number;
  org: string;
  user: string | null;
}

/**
 * Tells the meter of every change of a limit that Postgres has: the change left word in the outbox
 * in its own transaction, so none is lost, and none is told that was rolled back. Postgres notifies;
 * the repeated look is for what a notification missed. Answers how many words were delivered.
 */
export async function deliver(context: LedgerContext): Promise<number> {
  return (await context.sql.begin(async (tx) => {
    const words = await tx<Word[]>`
      select id, org, user_id as user from meter_outbox order by id
      limit ${WORDS_A_TURN} for update skip locked`;
    const delivered: number[] = [];
    for (const [org, mine] of groupBy(words, (word) => word.org)) {
      const users = mine.map((word) => word.user).filter((user) => user !== null);
      const isWhole = mine.some((word) => word.user === null);
      if (await tell(context, org, { users, isWhole })) delivered.push(...mine.map((it) => it.id));
    }
    await tx`delete from meter_outbox where id = any(${delivered})`;
    return delivered.length;
  })) as number;
}

/** False: the shard has to be recovered first, or its server is missing; the words stay. */
async function tell(
  context: LedgerContext,
  org: string,
  who: { users: string[]; isWhole: boolean },
): Promise<boolean> {
  const { db, meter } = context;
  const now = meterNow(await readClock(db), context.wallMs());
  if (who.isWhole && !(await finishResets(context, org))) return false;
  if (who.isWhole && !(await carryOut(context, org, now))) return false;
  const period = await ensurePeriod(db, org, now);
  if (period === null) return true;
  const names = await budgetsOf(context.sql, org, now, who);
  for (let i = 0; i < names.length; i += BUDGETS_A_SEED) {
    const seeds = await loadSeeds(db, org, names.slice(i, i + BUDGETS_A_SEED));
    if (seeds === null) return true;
    const reply = await meter.seed(seeds).catch(nullIfPart);
    if (reply?.status !== 'ok') return false;
  }
  return true;
}

/** Periods that were to be closed by hand, where the gateway that was asked has not come to it. */
async function finishResets({ sql, db, meter }: LedgerContext, org: string): Promise<boolean> {
  const waiting = await sql<{ id: string }[]>`
    select id from period_resets where org = ${org} and at is null order by requested_at`;
  for (const { id } of waiting) {
    const reset = await carryOutReset(db, meter, id).catch(nullIfPart);
    if (reset === null || reset.at === null) return false;
  }
  return true;
}

/**
 * The organization's present period and those made ahead; with a change of its own limits, also its
 * members that have one, since mode and levels are the plan's. They are told whether the meter has
 * them or not: a gateway may be bringing the old figures at this moment, and the version decides.
 */
async function budgetsOf(
  sql: postgres.Sql,
  org: string,
  now: number,
  { users, isWhole }: { users: string[]; isWhole: boolean },
): Promise<BudgetName[]> {
  const periods = await sql<{ start: number }[]>`
    select epoch_ms(starts_at) as start from billing_periods
    where org = ${org} and ends_at > from_epoch_ms(${now}) order by starts_at`;
  const members = await sql<{ user: string }[]>`
    select user_id as user from organization_members
    where org = ${org} and (user_id = any(${users}) or (${isWhole} and quota_ms is not null))`;
  return periods.flatMap(({ start }) => [
    organizationBudget(org, start),
    ...members.map(({ user }) => memberBudget(org, user, start)),
  ]);
}

/** Delivers at once when Postgres notifies, and looks now and then. */
export async function startOutbox(options: {
  context: LedgerContext;
  everyMs: number;
  log: Log;
}): Promise<Stoppable> {
  const { context, everyMs, log } = options;
  const look = repeat({
    name: 'outbox',
    everyMs,
    log,
    async run() {
      while ((await deliver(context)) === WORDS_A_TURN);
    },
  });
  const listening = await context.sql.listen('meter_outbox', () => look.wake());
  return {
    async stop() {
      await listening.unlisten().catch(() => {});
      await look.stop();
    },
  };
}
