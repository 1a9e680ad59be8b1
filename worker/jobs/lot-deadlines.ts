/** What happens to lots at an instant: they expire, or what was only lent is withdrawn. */
import { shardOf } from '../../core/meter/keys.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { endHold } from '../../payments/hold.ts';
import { expireLots } from '../ledger/expire.ts';
import { groupBy } from '../ledger/grouping.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { repeat } from '../repeat.ts';

/**
 * Real time after an instant until it is carried out. Gateways tick the recorders of the organization
 * at the instant itself (gateway/lot-watch.ts), and their answers are in by then: what was recorded up
 * to it is burnt from the lot, and hardly more.
 */
export const ANSWERS_MS = 400;
/** Of one look; what is left comes with the next. */
const MOST_A_LOOK = 500;

/** What one look did. */
export interface LotWork {
  holds: number;
  lots: number;
  /** real ms until the next instant is carried out; null: none is known, or meter time stands still */
  nextMs: number | null;
}

interface DueLot {
  org: string;
  lot: string;
}

/**
 * Carries out all that is due. May be repeated and done by several workers: whoever is first ends a
 * loan or a lot, under a lock.
 * @throws the first error, after everything else was tried
 */
export async function carryOutLots(context: LedgerContext): Promise<LotWork> {
  const { db, sql } = context;
  const clock = await readClock(db);
  const at = meterNow(clock, context.wallMs());
  const until = clock.frozen ? at : Math.floor(at - ANSWERS_MS * clock.speed);
  const work: LotWork = { holds: 0, lots: 0, nextMs: null };
  const errors: unknown[] = [];
  const attempt = (run: Promise<void>) => run.catch((error: unknown) => void errors.push(error));

  const loans = await sql<{ id: string }[]>`
    select id from payments
    where hold_until <= from_epoch_ms(${until}) and hold_ended_at is null and paid_at is null
    order by hold_until limit ${MOST_A_LOOK}`;
  for (const { id } of loans) {
    const ends = db.transaction((tx) => endHold(tx, id, at));
    await attempt(
      ends.then((isEnded) => {
        if (isEnded) work.holds += 1;
      }),
    );
  }
  const lots = await sql<DueLot[]>`
    select org, id as lot from extra_minutes_purchases
    where expires_at <= from_epoch_ms(${until}) and expired_at is null
    order by expires_at limit ${MOST_A_LOOK}`;
  for (const [shard, due] of groupBy(lots, ({ org }) => String(shardOf(org)))) {
    const orgs = [...new Set(due.map(({ org }) => org))];
    const expires = expireLots(context, Number(shard), orgs, { until, at });
    await attempt(
      expires.then((count) => {
        work.lots += count ?? 0;
      }),
    );
  }
  if (errors.length > 0) throw errors[0];
  if (clock.frozen) return work;
  const [next] = await sql<{ at: number | null }[]>`
    select epoch_ms(least(
      (select min(hold_until) from payments
        where hold_until is not null and hold_ended_at is null and paid_at is null),
      (select min(expires_at) from extra_minutes_purchases
        where expires_at is not null and expired_at is null))) as at`;
  if (next!.at !== null) work.nextMs = Math.max(0, (next!.at - until) / clock.speed);
  return work;
}

export interface LotDeadlinesOptions {
  context: LedgerContext;
  /** how often it looks whatever is known: another process may have made an earlier instant */
  everyMs: number;
  log: Log;
}

/** Acts at each instant as it comes, whatever speed meter time has. */
export function startLotDeadlines({ context, everyMs, log }: LotDeadlinesOptions): Stoppable {
  let timer: NodeJS.Timeout | undefined;
  const looks = repeat({
    name: 'lot-deadlines',
    everyMs,
    log,
    async run() {
      clearTimeout(timer);
      const { holds, lots, nextMs } = await carryOutLots(context);
      if (holds + lots > 0) log.info({ holds, lots }, 'loans ended, or lots expired');
      // What waits for a recovery is due already: the repeated look comes back to it.
      if (nextMs === null || nextMs === 0 || nextMs >= everyMs) return;
      timer = setTimeout(looks.wake, Math.ceil(nextMs));
    },
  });
  return {
    async stop() {
      clearTimeout(timer);
      await looks.stop();
      clearTimeout(timer);
    },
  };
}
