/**
 * Two moments in which postgres.js fails where nobody can catch it, when a connection is lost, so that
 * the process would end. What was asked has been rejected by then, or is asked again on another one.
 *
 * - It writes small queries a moment later, without a look whether the socket is still there. What such
 *   a query was part of rejects, unless it came by `sql.reserve()`: see `drizzle/bound.ts`.
 * - On a new connection it asks for the types of arrays on its own account, and drops the promise. Every
 *   connection asks, and all learn by the first answer, without which no process starts.
 */
export function isDriverSlip(error: unknown): boolean {
  return isLateWrite(error) || isTypeQuestion(error);
}

function isLateWrite(error: unknown): boolean {
  return (
    error instanceof TypeError &&
    /null|socket\.write/.test(error.message) &&
    /\bnextWrite\b.*postgres\/(src|cjs)/.test(error.stack ?? '')
  );
}

/** The driver notes on an error what was asked. */
function isTypeQuestion(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { query } = error as Error & { query?: unknown };
  return typeof query === 'string' && /^\s*select b\.oid, b\.typarray\s/.test(query);
}
