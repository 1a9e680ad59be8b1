import type { BudgetName } from '../../core/meter/budget-name.ts';
import type { Log } from '../../core/runtime/log.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { layAhead } from '../periods/lay-ahead.ts';
import { tellLive } from '../periods/live-budgets.ts';
import { createPace, type Pace } from '../periods/pace.ts';
import { ORGANIZATIONS_A_BATCH, repairPeriods } from '../periods/repair.ts';
import { type Repeated, repeat } from '../repeat.ts';

/** Real time before a boundary from which the meter knows the next period of whoever records. */
const SEEDS_AHEAD_MS = 5 * 60_000;
/** Every organization is looked at once in a night. */
const ROUND_MS = 6 * 60 * 60_000;
const PARTITIONS_AHEAD_MONTHS = 4;
const PAUSE_MS = 60;
const JITTER_MS = 80;
/** Names that are remembered as told; beyond it all are forgotten, and told once more. */
const MOST_TOLD = 200_000;

export const PERIOD_WORK = ['ahead', 'told', 'missing', 'overlap', 'outdated', 'stale'] as const;
/** How many of each were done. */
export type PeriodWork = Record<(typeof PERIOD_WORK)[number], number>;

export interface PeriodCheck {
  look(): Promise<PeriodWork>;
}

export interface PeriodCheckOptions {
  context: LedgerContext;
  everyMs: number;
  pace: Pace;
}

/**
 * The nightly check of periods, in batches all day: makes rows and partitions ahead, tells the meter of
 * the next period of whoever records, and repairs what is missing, overlapping or outdated. Nothing in
 * it is done for each organization in one burst. Whoever needs a period that is missing all the same
 * makes it (rule 19 in core/meter/README.md).
 */
export function createPeriodCheck({ context, everyMs, pace }: PeriodCheckOptions): PeriodCheck {
  const { sql, db } = context;
  const told = new Set<BudgetName>();
  let after = '';

  /** The next organizations by id, begun anew after the last. */
  async function nextBatch(): Promise<string[]> {
    const rows = await sql<{ id: string }[]>`
      select id from organizations where id > ${after} order by id limit ${ORGANIZATIONS_A_BATCH}`;
    const isLast = rows.length < ORGANIZATIONS_A_BATCH;
    after = isLast ? '' : rows.at(-1)!.id;
    return rows.map((row) => row.id);
  }

  async function batchesALook(): Promise<number> {
    const [row] = await sql<{ count: number }[]>`select count(*) from organizations`;
    const looks = Math.max(1, Math.floor(ROUND_MS / everyMs));
    return Math.max(1, Math.ceil(row!.count / ORGANIZATIONS_A_BATCH / looks));
  }

  /** Asked for by a request whose gateway is gone, and whose word was lost. */
  async function wakeResets(): Promise<void> {
    await sql`
      insert into meter_outbox (org) select distinct r.org from period_resets r
      where r.at is null and r.requested_at < now() - interval '10 seconds'
        and not exists (select from meter_outbox w where w.org = r.org and w.user_id is null)`;
  }

  return {
    async look() {
      const work: PeriodWork = { ahead: 0, told: 0, missing: 0, overlap: 0, outdated: 0, stale: 0 };
      const clock = await readClock(db);
      const now = meterNow(clock, context.wallMs());
      await sql`
        select make_usage_partitions((from_epoch_ms(${now}) at time zone 'UTC')::date,
          ${PARTITIONS_AHEAD_MONTHS})`;
      await wakeResets();
      work.ahead = await layAhead(context, now, pace);
      if (told.size > MOST_TOLD) told.clear();
      const until = Math.floor(now + SEEDS_AHEAD_MS * clock.speed);
      const live = await tellLive(context, { now, until, pace, told });
      work.told = live.ahead;
      work.stale = live.stale;
      for (let left = await batchesALook(); left > 0; left--) {
        const orgs = await nextBatch();
        if (orgs.length === 0) break;
        const { missing, overlap, outdated } = await repairPeriods(context, orgs, now);
        work.missing += missing;
        work.overlap += overlap;
        work.outdated += outdated;
        if (left > 1) await pace.pause();
      }
      return work;
    },
  };
}

export function startPeriodCheck(options: {
  context: LedgerContext;
  everyMs: number;
  log: Log;
  done(work: PeriodWork): void;
}): Repeated {
  const { context, everyMs, log, done } = options;
  const pace = createPace({ leastMs: PAUSE_MS, jitterMs: JITTER_MS, random: Math.random });
  const check = createPeriodCheck({ context, everyMs, pace });
  return repeat({
    name: 'period-check',
    everyMs,
    log,
    async run() {
      const work = await check.look();
      const { missing, overlap, outdated, stale } = work;
      if (missing + overlap + outdated + stale > 0) log.warn(work, 'billing periods were repaired');
      done(work);
    },
  });
}
