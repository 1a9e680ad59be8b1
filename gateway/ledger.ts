/**
 * What a gateway asks of Postgres. Limits and periods are remembered, so that sessions go on being
 * admitted by the last known ones while Postgres is away.
 */
import type { Period } from '../core/calendar/period.ts';
import type { BudgetName } from '../core/meter/budget-name.ts';
import type { SeedCommand } from '../core/meter/commands.ts';
import type { Log } from '../core/runtime/log.ts';
import type { Tenants } from '../drizzle/bound.ts';
import type { Database } from '../drizzle/client.ts';
import { ensurePeriod } from '../drizzle/queries/ensure-period.ts';
import { type Limits, loadLimits } from '../drizzle/queries/load-limits.ts';
import { type LotDates, loadLotDates } from '../drizzle/queries/load-lot-dates.ts';
import { loadSeeds } from '../drizzle/queries/load-seeds.ts';
import { type KnownSession, loadSessionBase } from '../drizzle/queries/load-session-base.ts';
import { loadStarts, type Start } from '../drizzle/queries/load-starts.ts';
import { requestRecovery } from '../drizzle/queries/request-recovery.ts';

/** Members whose limits are remembered for an outage. */
const MAX_REMEMBERED = 10_000;
/** A recorder that starts waits no longer for Postgres; one that is stalled says nothing at all. */
const PATIENCE_MS = 3_000;

export interface Ledger {
  /** null: no such organization. Throws where Postgres is away and nothing is remembered. */
  limits(org: string, user: string, session?: string): Promise<Limits | null>;
  /** the period that contains a meter instant; null: no such organization */
  period(org: string, at: number): Promise<Period | null>;
  seeds(org: string, names: BudgetName[]): Promise<SeedCommand | null>;
  /** sessions that began since */
  starts(org: string, since: number): Promise<Start[]>;
  /** null: the ledger does not know the session */
  base(
    org: string,
    session: string,
  ): Promise<Pick<KnownSession, 'user' | 'base' | 'closedAt'> | null>;
  /** ends of extra minutes, and those that expired since */
  lotDates(org: string, since: number): Promise<LotDates>;
  requestRecovery(shard: number): Promise<void>;
}

/** What it asks of the database: of one organization, and what belongs to none. */
export interface LedgerDatabase {
  tenants: Pick<Tenants, 'of'>;
  db: Database;
}

export function createLedger({ tenants, db }: LedgerDatabase, gateway: string, log: Log): Ledger {
  const remembered = new Map<string, Limits>();
  const periods = new Map<string, Period>();

  function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
    map.delete(key);
    map.set(key, value);
    if (map.size > MAX_REMEMBERED) map.delete(map.keys().next().value!);
  }

  return {
    async limits(org, user, session) {
      const key = `${org}|${user}`;
      try {
        const limits = await inTime(loadLimits(tenants.of(org), org, user, session));
        // What is one session's own is no other's.
        const isOfAll = limits && !limits.hasOwnLength && !limits.isLeased;
        if (isOfAll) remember(remembered, key, limits);
        return limits;
      } catch (error) {
        const known = remembered.get(key);
        if (!known) throw error;
        log.warn({ err: error, org }, 'Postgres is away: a session is admitted by known limits');
        return known;
      }
    },
    async period(org, at) {
      const known = periods.get(org);
      if (known && known.startsAt <= at && at < known.endsAt) return known;
      const period = await inTime(ensurePeriod(tenants.of(org), org, at));
      if (period) remember(periods, org, period);
      return period;
    },
    seeds: (org, names) => inTime(loadSeeds(tenants.of(org), org, names)),
    starts: (org, since) => inTime(loadStarts(tenants.of(org), org, since)),
    base: (org, session) => inTime(loadSessionBase(tenants.of(org), org, session)),
    lotDates: (org, since) => inTime(loadLotDates(tenants.of(org), org, since)),
    requestRecovery: (shard) => inTime(requestRecovery(db, shard, gateway)),
  };
}

/** The answer, or an error where it does not come; what is asked may still be done then. */
async function inTime<Value>(asked: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`Postgres did not answer in ${PATIENCE_MS / 1_000} s: is it stalled?`);
    timer = setTimeout(reject, PATIENCE_MS, error);
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
