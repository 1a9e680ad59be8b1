import { layPeriods, type WantedPeriod } from '../../drizzle/queries/lay-periods.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import type { Pace } from './pace.ts';

const HOUR_MS = 60 * 60 * 1000;
/** Meter time before a boundary from which the next period's row is made, of the last shard. */
const LEAST_AHEAD_MS = 24 * HOUR_MS;
/** The first shard's are made so much earlier: those that turn at one midnight, over a day. */
const SPREAD_MS = 24 * HOUR_MS;
/** One transaction, whatever turns. */
export const PERIODS_A_BATCH = 200;

/** The next batch of those whose turn it is; those that end first, first. */
function ending({ sql }: LedgerContext, now: number): Promise<WantedPeriod[]> {
  return sql<WantedPeriod[]>`
    select b.org, epoch_ms(b.ends_at) as at
    from billing_periods b join organizations o on o.id = b.org
    where b.ends_at > from_epoch_ms(${now})
      and b.ends_at <= from_epoch_ms(${now + LEAST_AHEAD_MS + SPREAD_MS})
      and b.ends_at <= from_epoch_ms(${now + LEAST_AHEAD_MS}) + (63 - o.shard) * interval '1 ms'
        * ${SPREAD_MS / 64}::integer
      and not exists (select from billing_periods n where n.org = b.org and n.starts_at = b.ends_at)
    order by b.ends_at, b.org limit ${PERIODS_A_BATCH}`;
}

/** Makes rows of periods before they are needed, batch by batch. Answers how many it made. */
export async function layAhead(context: LedgerContext, now: number, pace: Pace): Promise<number> {
  let made = 0;
  for (;;) {
    const wanted = await ending(context, now);
    if (wanted.length === 0) return made;
    const laid = await context.db.transaction((tx) => layPeriods(tx, wanted));
    made += laid.length;
    // Somebody else has made them, or nothing of it can be made: the next look will say.
    if (laid.length === 0 || wanted.length < PERIODS_A_BATCH) return made;
    await pace.pause();
  }
}
