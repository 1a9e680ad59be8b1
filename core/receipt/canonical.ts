/**
 * JSON as RFC 8785 (JCS) has it: no blanks, names sorted by UTF-16 code units, numbers and strings as
 * ECMAScript writes them. What is signed must have one way to be written.
 */

/** @throws TypeError for what JSON has no canonical form of: undefined, NaN, a lone surrogate, … */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return canonicalString(value);
    case 'boolean':
      return String(value);
    case 'number':
      if (Number.isFinite(value)) return JSON.stringify(value);
      throw new TypeError(`JSON has no ${value}.`);
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
      return canonicalObject(value as Record<string, unknown>);
    default:
      throw new TypeError(`JSON has no ${typeof value}.`);
  }
}

function canonicalObject(value: Record<string, unknown>): string {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError('Only plain objects are written: turn it into one first.');
  }
  // The default order is by UTF-16 code units, which is the one that is asked for.
  const names = Object.keys(value).sort();
  return `{${names.map((it) => `${canonicalString(it)}:${canonicalJson(value[it])}`).join(',')}}`;
}

function canonicalString(text: string): string {
  if (!/\p{Surrogate}/u.test(text)) return JSON.stringify(text);
  throw new TypeError('A text with half a character (a lone surrogate) can not be signed.');
}
