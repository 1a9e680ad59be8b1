/** What must not be started on, and how that is said. */

export interface Unsafe {
  /** what is wrong, a sentence */
  what: string;
  /** what to set, a sentence */
  fix: string;
  /** in development too: nothing would work */
  always: boolean;
}

/**
 * With `development`, what may be is accepted, and its sentences are returned to be logged as warnings.
 * @throws Error with every sentence, a fix behind each finding
 */
export function requireSafe(found: readonly Unsafe[], development: boolean): string[] {
  const sentences = [...new Set(found.map(({ what, fix }) => `${what} ${fix}`))];
  const fatal = found.some(({ always }) => always);
  if (found.length === 0 || (development && !fatal)) return sentences;
  const hint = fatal ? '' : ' (DEVELOPMENT=1 accepts it as it is.)';
  throw new Error(`${sentences.join(' ')}${hint}`);
}
