/** Reading parameters as Stripe does, with its words where they are wrong. */
import { invalidParameter } from './api-error.ts';
import type { Params, Value } from './form-body.ts';

/** https://docs.stripe.com/api/metadata */
const METADATA_KEYS = 50;
const METADATA_KEY_CHARACTERS = 40;
const METADATA_VALUE_CHARACTERS = 500;

const shown = (path: string) => path.replace(/\.([^.]+)/g, '[$1]');

/** `path` is like `automatic_payment_methods.enabled`. */
function at(params: Params, path: string): Value | undefined {
  let value: Value | undefined = params;
  for (const part of path.split('.')) {
    value = typeof value === 'object' ? value[part] : undefined;
  }
  return value;
}

/** null: not given, or unset by an empty one. */
export function text(params: Params, path: string): string | null {
  const value = at(params, path);
  if (value === undefined || value === '') return null;
  if (typeof value === 'string') return value;
  throw invalidParameter(shown(path), 'parameter_invalid_string', `Invalid string: ${shown(path)}`);
}

export function requiredText(params: Params, path: string): string {
  const value = text(params, path);
  if (value !== null) return value;
  const param = shown(path);
  throw invalidParameter(param, 'parameter_missing', `Missing required param: ${param}.`);
}

export function oneOf<Word extends string>(
  params: Params,
  path: string,
  words: readonly Word[],
): Word | null {
  const value = text(params, path);
  if (value === null) return null;
  const word = words.find((it) => it === value);
  if (word !== undefined) return word;
  throw invalidParameter(
    shown(path),
    'parameter_invalid_enum',
    `Invalid ${shown(path)}: must be one of ${words.join(', ')}`,
  );
}

export function integer(params: Params, path: string): number | null {
  const value = text(params, path);
  if (value === null) return null;
  if (/^-?\d+$/.test(value)) return Number(value);
  throw invalidParameter(shown(path), 'parameter_invalid_integer', `Invalid integer: ${value}`);
}

export function requiredInteger(params: Params, path: string): number {
  requiredText(params, path);
  return integer(params, path)!;
}

export function flag(params: Params, path: string): boolean | null {
  const value = text(params, path);
  if (value === null) return null;
  if (value === 'true' || value === 'false') return value === 'true';
  throw invalidParameter(shown(path), 'parameter_invalid_boolean', `Invalid boolean: ${value}`);
}

export function nested(params: Params, path: string): Params | null {
  const value = at(params, path);
  return typeof value === 'object' ? value : null;
}

export function list(params: Params, path: string): Value[] {
  const value = at(params, path);
  if (typeof value === 'object') return Object.values(value);
  return value === undefined || value === '' ? [] : [value];
}

/** `known` with what is given laid over it; an empty value takes a key away. */
export function metadata(
  params: Params,
  known: Readonly<Record<string, string>> = {},
  path = 'metadata',
): Record<string, string> {
  // All of it is unset by an empty value.
  const result = params[path] === '' ? {} : { ...known };
  for (const [key, value] of Object.entries(nested(params, path) ?? {})) {
    const param = `${shown(path)}[${key}]`;
    const invalid = (what: string) => invalidParameter(param, 'parameter_invalid_string', what);
    if (typeof value !== 'string') throw invalid('Metadata values must be strings.');
    if (key.length > METADATA_KEY_CHARACTERS) {
      throw invalid(`Metadata keys can have up to ${METADATA_KEY_CHARACTERS} characters: ${key}`);
    }
    if (value.length > METADATA_VALUE_CHARACTERS) {
      throw invalid(`Metadata values can have up to ${METADATA_VALUE_CHARACTERS} characters.`);
    }
    if (value === '') delete result[key];
    else result[key] = value;
  }
  if (Object.keys(result).length > METADATA_KEYS) {
    throw invalidParameter(
      'metadata',
      'parameter_invalid',
      `Up to ${METADATA_KEYS} metadata keys.`,
    );
  }
  return result;
}

/** A misspelled parameter is an error at Stripe, never ignored. */
export function allowOnly(params: Params, names: readonly string[]): void {
  const unknown = Object.keys(params).find((name) => !names.includes(name) && name !== 'expand');
  if (unknown === undefined) return;
  throw invalidParameter(unknown, 'parameter_unknown', `Received unknown parameter: ${unknown}`);
}
