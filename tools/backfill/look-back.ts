import type postgres from 'postgres';

/** Sums over a million rows take longer than a service waits. */
const STATEMENT_MS = 600_000;

/** For what looks at all that was imported at once. */
export function lookBack<T>(
  sql: postgres.Sql,
  look: (tx: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  return sql.begin(async (tx) => {
    await tx`select set_config('statement_timeout', ${String(STATEMENT_MS)}, true)`;
    return look(tx);
  }) as Promise<T>;
}
