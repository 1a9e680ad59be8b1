import type postgres from 'postgres';
import type { Database } from '../../../drizzle/client.ts';
import type { Code } from '../check/codes.ts';

/** One thing that is put right. May be repeated: what is right already is left alone. */
export interface Step {
  /** "add up the sums of acme again" */
  title: string;
  codes: Code[];
  /** Answers what it changed, in words; null: nothing was left to do. */
  run(): Promise<string | null>;
}

/** Who repairs, and where. */
export interface LedgerFix {
  sql: postgres.Sql;
  db: Database;
  /** who, for the audit log */
  actor: string;
  /** by which command: it begins the names of the actions in the audit log */
  area: 'doctor' | 'operator' | 'reconcile';
  /** Wakes the workers for a recovery, which they would look for within a second. */
  wake?(shards: number[]): Promise<void>;
}

type Writing = postgres.TransactionSql;

/** Who, what, before and after; in the transaction that did it, or the change is not there either. */
export async function noteRepair(
  tx: Writing,
  { actor, area }: Pick<LedgerFix, 'actor' | 'area'>,
  entry: { action: string; org?: string; subject?: string; detail: object },
): Promise<void> {
  const { action, org = null, subject = null, detail } = entry;
  await tx`
    insert into audit_log (actor, action, org, subject, detail)
    values (${actor}, ${`${area}.${action}`}, ${org}, ${subject}, ${JSON.stringify(detail)}::jsonb)`;
}

/** Every repair is made here: one transaction, all or nothing. */
export function inRepair<T>(sql: postgres.Sql, repair: (tx: Writing) => Promise<T>): Promise<T> {
  return sql.begin(repair) as Promise<T>;
}
