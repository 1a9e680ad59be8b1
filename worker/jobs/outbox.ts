import type postgres from 'postgres';
import { type BudgetName, memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import { nullIfPart } from '../../core/meter/servers.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import { carryOutReset } from '../../drizzle/queries/carry-out-reset.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { tellSessionLengths } from '../../drizzle/queries/tell-session-lengths.ts';
import { carryOut } from '../ledger/grant.ts';
import { groupBy } from '../ledger/grouping.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { repeat } from '../repeat.ts';

const WORDS_A_TURN = 500;
/** Organizations told at the same time: a change of a large plan must not crowd out settling. */
const TOLD_AT_ONCE = 4;
const BUDGETS_A_SEED = 200;

interface Word {
  id: number;
  org: string;
  user: string | null;
}

/** What one look did. */
export interface Delivery {
  delivered: number;
  /** those that stay: their shard has to be recovered first */
  kept: number;
}

/**
 * Tells the meter of every change of a limit that Postgres has: the change left word in the outbox
 * in its own transaction, so none is lost, and none is told that was rolled back. Postgres notifies;
 * the repeated look is for what a notification missed. A plan of thousands of organizations goes turn
 * by turn, few at a time, those with live sessions first (drizzle/queries/apply-limits.ts); words
 * that have to stay hold up no others.
 * @param progress after each turn, with how many words it delivered
 */
export async function deliver(
  context: LedgerContext,
  progress: (delivered: number) => void = () => {},
): Promise<Delivery> {
  const all: Delivery = { delivered: 0, kept: 0 };
  for (let after = 0; ; ) {
    const { words, delivered } = await takeTurn(context, after);
    all.delivered += delivered;
    all.kept += words.length - delivered;
    progress(delivered);
    if (words.length < WORDS_A_TURN) return all;
    after = words.at(-1)!.id;
  }
}

async function takeTurn(
  context: LedgerContext,
  after: number,
): Promise<{ words: Word[]; delivered: number }> {
  return (await context.sql.begin(async (tx) => {
    const words = await tx<Word[]>`
      select id, org, user_id as user from meter_outbox where id > ${after} order by id
      limit ${WORDS_A_TURN} for update skip locked`;
    const waiting = [...groupBy(words, (word) => word.org)];
    const delivered: number[] = [];
    async function tellNext(): Promise<void> {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [org, mine] = next;
        const users = mine.map((word) => word.user).filter((user) => user !== null);
        const isWhole = mine.some((word) => word.user === null);
        if (await tell(context, org, { users, isWhole }))
          delivered.push(...mine.map((it) => it.id));
      }
    }
    const lines = await Promise.allSettled(Array.from({ length: TOLD_AT_ONCE }, tellNext));
    // What was told is told: only what was not is tried again.
    await tx`delete from meter_outbox where id = any(${delivered})`;
    const failed = lines.find((line) => line.status === 'rejected');
    if (failed && delivered.length === 0) throw failed.reason;
    return { words: [...words], delivered: delivered.length };
  })) as { words: Word[]; delivered: number };
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
  return !who.isWhole || (await tellSessionLengths(db, meter, org).catch(nullIfPart)) === true;
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

export interface OutboxOptions {
  context: LedgerContext;
  everyMs: number;
  log: Log;
  /** after each turn: words delivered in it, and words that wait still */
  told?(delivered: number, waiting: number): void;
}

/** Delivers at once when Postgres notifies, and looks now and then. */
export async function startOutbox(options: OutboxOptions): Promise<Stoppable> {
  const { context, everyMs, log, told = () => {} } = options;

  async function waitingWords(): Promise<number> {
    const [row] = await context.sql<{ words: number }[]>`
      select count(*)::integer as words from meter_outbox`;
    return row!.words;
  }

  const look = repeat({
    name: 'outbox',
    everyMs,
    log,
    async run() {
      let waiting = await waitingWords();
      told(0, waiting);
      await deliver(context, (delivered) => {
        waiting = Math.max(0, waiting - delivered);
        told(delivered, waiting);
      });
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
