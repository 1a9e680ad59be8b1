import type postgres from 'postgres';
import type { Log } from '../../../core/runtime/log.ts';
import type { Code } from '../../../worker/ledger/check/codes.ts';
import type { Stores } from '../stores.ts';

/** One thing that --fix does. May be repeated: what is right already is left alone. */
export interface Step {
  /** "add up the sums of acme again" */
  title: string;
  codes: Code[];
  /** Answers what it changed, in words; null: nothing was left to do. */
  run(): Promise<string | null>;
}

export interface FixContext {
  stores: Stores;
  log: Log;
  /** who, for the audit log */
  actor: string;
  /** meter instant */
  now: number;
}

type Writing = postgres.TransactionSql;

/** Who, what, before and after; in the transaction that did it, or the change is not there either. */
export async function noteRepair(
  tx: Writing,
  entry: { actor: string; action: string; org?: string; subject?: string; detail: object },
): Promise<void> {
  const { actor, action, org = null, subject = null, detail } = entry;
  await tx`
    insert into audit_log (actor, action, org, subject, detail)
    values (${actor}, ${`doctor.${action}`}, ${org}, ${subject}, ${JSON.stringify(detail)}::jsonb)`;
}

/** Every repair is made here: one transaction, all or nothing. */
export function inRepair<T>(sql: postgres.Sql, repair: (tx: Writing) => Promise<T>): Promise<T> {
  return sql.begin(repair) as Promise<T>;
}
