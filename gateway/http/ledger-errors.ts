/** What errors of Postgres mean to a caller of the API. */

/** The transaction lost against another one and changed nothing: it may simply be run again. */
const LOST_RACE = new Set(['40001', '40P01']);

const UNAVAILABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  '53300', // too many connections
  '55P03', // waited too long for a lock
  '57014', // took too long
  '57P01', // shutting down
  '57P02',
  '57P03', // starting up
]);

/** The code of the driver's error, which drizzle wraps. */
function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as Error & { code?: unknown };
    if (typeof code === 'string') return code;
  }
  return undefined;
}

export function isLostRace(error: unknown): boolean {
  return LOST_RACE.has(codeOf(error) ?? '');
}

/** Whether the same request may succeed in a moment. */
export function isLedgerUnavailable(error: unknown): boolean {
  return UNAVAILABLE.has(codeOf(error) ?? '') || isLostRace(error);
}

/** A text with a zero character in it, or half of a pair: Postgres keeps neither. */
export function isTextNotKept(error: unknown): boolean {
  return ['22021', '22P05'].includes(codeOf(error) ?? '');
}

/** A value that its column does not take: of another type, out of its range, or missing. */
export function isValueNotKept(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return /^22/.test(code) || ['23502', '23514'].includes(code);
}

/** A row that the statement refers to is not there. */
export function isForeignKeyViolation(error: unknown): boolean {
  return codeOf(error) === '23503';
}

/** A function of migration 0015 found that the key which asks may not do this. */
export function isForbidden(error: unknown): boolean {
  return codeOf(error) === 'TMK01';
}
