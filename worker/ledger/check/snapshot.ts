import type postgres from 'postgres';

export type Reading = postgres.TransactionSql;

/** Longer than a service waits: who looks at a whole organization may take its time. */
const STATEMENT_MS = 120_000;

/**
 * Every look at the ledger goes through here: one repeatable-read, read-only transaction, so that
 * what is compared is of one snapshot, and what looks can't change anything. What a reader must be
 * allowed beyond a tenant's rows is said here too.
 */
export function inSnapshot<T>(sql: postgres.Sql, read: (tx: Reading) => Promise<T>): Promise<T> {
  return sql.begin('isolation level repeatable read read only', async (tx) => {
    await tx`select set_config('statement_timeout', ${String(STATEMENT_MS)}, true)`;
    return read(tx);
  }) as Promise<T>;
}
