/**
 * The checker behind codec.ts: a message is described by a table of fields, and a parsed value is
 * held against it. A value that fits is returned as it is, without a copy; one with unknown fields
 * is copied without them. Only what `JSON.parse` just made may be given: fields are set in place.
 */
import { isId, MAX_DEPTH, MAX_METADATA_BYTES } from './limits.ts';

/** What did not fit: the path below the message, what belongs there, and what was there. */
export class Misfit {
  readonly path: string;
  readonly words: string;
  readonly value: unknown;
  constructor(path: string, words: string, value: unknown) {
    this.path = path;
    this.words = words;
    this.value = value;
  }
}

/** `level` is the depth of the value in its message, which itself is level 1. */
type Check = (value: unknown, level: number) => unknown;

/** `T` is what the field holds, so that a table cannot drift from its interface in messages.ts. */
export interface Field<T> {
  /** Ends the sentence "… must be". */
  readonly words: string;
  /** Returns the value to keep, or a Misfit. */
  readonly check: Check;
  readonly optional: boolean;
  readonly holds?: T;
}
export interface OptionalField<T> extends Field<T> {
  readonly optional: true;
}

/** Every field of `T`; what the interface calls optional must be optional here. */
export type Table<T> = {
  readonly [K in keyof T]-?: undefined extends T[K]
    ? OptionalField<Exclude<T[K], undefined>>
    : Field<T[K]>;
};
/** A message's fields beside its `type`, by which the table is found. */
export type MessageTable<M> = Table<Omit<M, 'type'>>;

type Entries = readonly (readonly [name: string, field: Field<unknown>])[];

function field<T>(words: string, fits: (value: unknown) => boolean): Field<T> {
  const check: Check = (value) => (fits(value) ? value : new Misfit('', words, value));
  return { words, check, optional: false };
}

export function optional<T>(inner: Field<T>): OptionalField<T> {
  return { words: inner.words, check: inner.check, optional: true };
}

export function nullable<T>(inner: Field<T>): Field<T | null> {
  const words = `${inner.words}, or null`;
  const check: Check = (value, level) => (value === null ? null : inner.check(value, level));
  return { words, check, optional: false };
}

/** Durations, instants and counters: a whole number, exact in a double. */
export const whole = field<number>(
  'an integer of 0 or more',
  (value) => Number.isSafeInteger(value) && (value as number) >= 0,
);
export const amount = field<number>(
  'a number of 0 or more',
  (value) => Number.isFinite(value) && (value as number) >= 0,
);
/** What is divided by. */
export const rate = field<number>(
  'a number above 0',
  (value) => Number.isFinite(value) && (value as number) > 0,
);
export const flag = field<boolean>('true or false', (value) => typeof value === 'boolean');
export const text = field<string>('a string', (value) => typeof value === 'string');
export const token = field<string>(
  'a string that is not empty',
  (value) => typeof value === 'string' && value !== '',
);
export const id = field<string>(
  'an id: 1 to 128 of A-Z a-z 0-9 . _ : -, first one of A-Z a-z 0-9',
  isId,
);

/** A closed set: what a client may say. */
export function oneOf<T extends string>(...names: readonly T[]): Field<T> {
  const words = `one of ${names.join(', ')}`;
  return field<T>(words, (value) => names.includes(value as T));
}

const NAME_PATTERN = /^[A-Za-z][A-Za-z0-9]{0,63}$/;
/**
 * An open set: what a server may say. New reasons and bindings may come within v1, and a stop for
 * a reason that an old client has no word for is still a stop.
 */
export function name<T extends string>(): Field<T> {
  return field<T>('a short name', (value) => typeof value === 'string' && NAME_PATTERN.test(value));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function exceedsDepth(value: unknown, level: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (level > MAX_DEPTH) return true;
  for (const inner of Object.values(value)) if (exceedsDepth(inner, level + 1)) return true;
  return false;
}

/** Called only when there are fields the table does not name: they may be there, but not deep. */
function withoutUnknown(value: Record<string, unknown>, entries: Entries, level: number): unknown {
  const copy: Record<string, unknown> = {};
  if ('type' in value) copy.type = value.type;
  for (const [name] of entries) if (value[name] !== undefined) copy[name] = value[name];
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(copy, key) && exceedsDepth(value[key], level + 1)) {
      return new Misfit('', `at most ${MAX_DEPTH} levels deep`, value);
    }
  }
  return copy;
}

/**
 * The check of one message or nested object. Hot path of the gateway: for a beat it allocates
 * nothing. `known` starts at the number of keys beside the table, 1 for the `type` of a message.
 */
export function checkFields(
  value: Record<string, unknown>,
  entries: Entries,
  level: number,
  beside: number,
): unknown {
  let known = beside;
  for (let index = 0; index < entries.length; index += 1) {
    const [name, field] = entries[index]!;
    const was = value[name];
    if (was === undefined) {
      if (field.optional) continue;
      return new Misfit(`.${name}`, field.words, undefined);
    }
    const kept = field.check(was, level + 1);
    if (kept instanceof Misfit) return new Misfit(`.${name}${kept.path}`, kept.words, kept.value);
    if (kept !== was) value[name] = kept;
    known += 1;
  }
  for (const _key in value) known -= 1;
  return known === 0 ? value : withoutUnknown(value, entries, level);
}

export function entriesOf<T>(table: Table<T>): Entries {
  return Object.entries(table as Record<string, Field<unknown>>);
}

export function object<T>(table: Table<T>): Field<T> {
  const entries = entriesOf(table);
  const words = 'an object';
  const check: Check = (value, level) =>
    isObject(value) ? checkFields(value, entries, level, 0) : new Misfit('', words, value);
  return { words, check, optional: false };
}

export function list<T>(item: Field<T>): Field<T[]> {
  const words = 'a list';
  const check: Check = (value, level) => {
    if (!Array.isArray(value)) return new Misfit('', words, value);
    for (let index = 0; index < value.length; index += 1) {
      const kept = item.check(value[index], level + 1);
      if (kept instanceof Misfit)
        return new Misfit(`[${index}]${kept.path}`, kept.words, kept.value);
      value[index] = kept;
    }
    return value;
  };
  return { words, check, optional: false };
}

/** Bytes of UTF-8, without making them. */
function utf8Bytes(value: string): number {
  let bytes = 0;
  for (let index = 0; index < value.length; index += 1) {
    const unit = value.charCodeAt(index);
    // Each half of a surrogate pair counts 2 of the pair's 4 bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}

const METADATA_WORDS = `flat strings of ${MAX_METADATA_BYTES} bytes in all`;
/** Keys and values are counted together. `__proto__` is dropped: copied on, it might be obeyed. */
export const metadata: Field<Record<string, string>> = {
  words: METADATA_WORDS,
  optional: false,
  check: (value) => {
    if (!isObject(value)) return new Misfit('', METADATA_WORDS, value);
    let bytes = 0;
    for (const [key, content] of Object.entries(value)) {
      if (typeof content !== 'string') return new Misfit(`.${key}`, 'a string', content);
      bytes += utf8Bytes(key) + utf8Bytes(content);
    }
    if (bytes > MAX_METADATA_BYTES) return new Misfit('', METADATA_WORDS, `${bytes} bytes`);
    if (Object.hasOwn(value, '__proto__')) {
      const { ['__proto__']: _dropped, ...kept } = value;
      return kept;
    }
    return value;
  },
};
