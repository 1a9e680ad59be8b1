import type { Log } from '../../../core/runtime/log.ts';
import type { LedgerFix } from '../../../worker/ledger/fix/step.ts';
import type { Stores } from '../stores.ts';

export interface FixContext {
  stores: Stores;
  log: Log;
  /** who, for the audit log */
  actor: string;
  /** meter instant */
  now: number;
}

/** The same for what is repaired in the ledger alone. */
export function ledgerFixOf(
  { stores, actor }: FixContext,
  wake?: (shards: number[]) => Promise<void>,
): LedgerFix {
  return {
    // Asked for when a step runs: a plan is drawn up without stores.
    get sql() {
      return stores.database.sql;
    },
    get db() {
      return stores.database.db;
    },
    actor,
    area: 'doctor',
    ...(wake === undefined ? {} : { wake }),
  };
}
