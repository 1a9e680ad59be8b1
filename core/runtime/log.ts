import { type DestinationStream, type Logger, pino } from 'pino';
import { CENSORED, errorShown } from './log-error.ts';

export type Log = Logger;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What is secret by its name, wherever it stands in what is logged. */
const SECRET_NAME =
  '(?:ticket|checkpoint|authorization|cookie|set-cookie|\\w*(?:secret|password|apikey|token))';
const SECRET_FIELD = new RegExp(`^${SECRET_NAME}$`, 'i');
/** Deeper than anything we log; an end for what refers to itself. */
const DEEPEST = 8;

/**
 * Looked for in the finished line, as a second net: a field of a child log (pino does not show us
 * those), a JWT, a bearer credential, a password in an address.
 */
const SECRET_TEXT: readonly [RegExp, string][] = [
  [new RegExp(`("${SECRET_NAME}":)"(?:[^"\\\\]|\\\\.)*"`, 'gi'), `$1"${CENSORED}"`],
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, CENSORED],
  [/\b(Bearer\s+)[\w.~+/=-]+/gi, `$1${CENSORED}`],
  [/(:\/\/[^\s:/@"]*:)[^\s@"]+@/g, `$1${CENSORED}@`],
];

function censor(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth === DEEPEST) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => censor(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) =>
      SECRET_FIELD.test(name) ? [name, CENSORED] : [name, censor(item, depth + 1)],
    ),
  );
}

/** Also for what is written without a log. */
export function censorText(line: string): string {
  return SECRET_TEXT.reduce((text, [pattern, by]) => text.replace(pattern, by), line);
}

export interface LogOptions {
  /** The process: "gateway-1", "worker". */
  name: string;
  level: LogLevel;
  /** Standard output when left out. */
  destination?: DestinationStream;
}

/** A log of JSON lines, in which neither tickets, checkpoints, credentials nor secrets appear. */
export function createLog({ name, level, destination }: LogOptions): Log {
  const options = {
    name,
    level,
    serializers: { err: (error: unknown) => censor(errorShown(error), 0) },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => censor(fields, 0) as Record<string, unknown>,
      bindings: ({ name: process }: Record<string, unknown>) => ({ name: process }),
    },
    hooks: { streamWrite: censorText },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
