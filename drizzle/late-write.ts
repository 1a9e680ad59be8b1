/**
 * postgres.js writes small queries a moment later. Where their connection is lost within that moment,
 * it throws where nobody can catch it, and the process would end. What the query was part of has been
 * rejected by then: a transaction rejects when its connection closes (`sql.reserve()` would not, so it
 * is not used).
 */
export function isLateWrite(error: unknown): boolean {
  return (
    error instanceof TypeError &&
    /null|socket\.write/.test(error.message) &&
    /\bnextWrite\b.*postgres\/(src|cjs)/.test(error.stack ?? '')
  );
}
