/** Errors as they may stand in a log: of what was asked, the words, never the values. */
import { pino } from 'pino';

export const CENSORED = '[redacted]';
/**
 * Values of a statement or command, as drizzle, postgres.js and ioredis hang them on their errors: a
 * password of AUTH, somebody's metadata.
 */
const VALUES: ReadonlySet<string> = new Set(['params', 'parameters', 'args']);
/** Postgres shows a row that broke a rule, whole. */
const WHOLE_ROW = /Failing row contains \([\s\S]*\)\.?/g;
const DEEPEST = 5;

/** What drizzle wrote into the messages of this error and of what caused it. */
function valuesIn(error: unknown): string[] {
  const found: string[] = [];
  for (let at = error, depth = 0; at instanceof Error && depth < DEEPEST; at = at.cause, depth++) {
    const { params } = at as Error & { params?: unknown };
    if (Array.isArray(params) && params.length > 0) found.push(`params: ${params}`);
  }
  return found;
}

function without(value: unknown, said: readonly string[], depth: number): unknown {
  if (typeof value === 'string') {
    const text = said.reduce((at, it) => at.replaceAll(it, `params: ${CENSORED}`), value);
    return text.replace(WHOLE_ROW, CENSORED);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth === DEEPEST) return '[too deep]';
  if (value instanceof Error) return without(pino.stdSerializers.err(value), said, depth + 1);
  if (Array.isArray(value)) return value.map((item) => without(item, said, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'raw')
      .map(([name, it]) => [name, VALUES.has(name) ? CENSORED : without(it, said, depth + 1)]),
  );
}

export function errorShown(error: unknown): unknown {
  return without(error, valuesIn(error), 0);
}

/** For a person: its message, where there is one. */
export function messageShown(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // postgres.js, for one, rejects with errors that have a code and no message.
  const { code } = error as Error & { code?: string };
  const message = error.message || code || 'an error without a message';
  return String(without(message, valuesIn(error), 0));
}
