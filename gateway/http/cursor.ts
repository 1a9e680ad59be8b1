/**
 * Cursors of paged lists: the sort key of the last item shown, opaque to the caller. A page asks
 * for what comes after it, so that items made or removed meanwhile shift nothing.
 */
import { type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { ProblemError } from './problem.ts';

/** The years that a database keeps: beyond any instant, level or row's number of ours. */
const MIN_INSTANT_AT = Date.parse('0001-01-01T00:00:00Z');
const MAX_INSTANT_AT = Date.UTC(9999, 11, 31);

type Key = readonly (string | number)[];

/** @param list names the list, so that a cursor of one is not taken by another */
export function encodeCursor(list: string, key: Key): string {
  return Buffer.from(JSON.stringify([list, ...key])).toString('base64url');
}

/** @returns the key, or undefined for the first page. Throws 422 for what is not of this list. */
export function decodeCursor<K extends Key>(
  list: string,
  cursor: string | undefined,
  isKey: (key: unknown[]) => key is unknown[] & K,
): K | undefined {
  if (cursor === undefined) return undefined;
  try {
    const [of, ...key] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (of === list && key.every(isKept) && isKey(key)) return key;
  } catch {
    // Falls through: text that is no cursor at all is answered like one of another list.
  }
  throw new ProblemError(
    'invalid',
    `The cursor is not one of this list: "${cursor.slice(0, 60)}". Use nextCursor of its last page, or none to begin.`,
    { errors: [{ pointer: '/cursor', detail: 'is not a cursor of this list' }] },
  );
}

/** Whether the database could hold it: what a caller made up may be any text, and any year. */
function isKept(part: unknown): boolean {
  if (typeof part === 'string') return !part.includes('\0');
  return typeof part === 'number' && part >= MIN_INSTANT_AT && part <= MAX_INSTANT_AT;
}

export function isTextKey(key: unknown[]): key is [string] {
  return key.length === 1 && typeof key[0] === 'string';
}
export function isNumberKey(key: unknown[]): key is [number] {
  return key.length === 1 && Number.isSafeInteger(key[0]);
}
export function isTwoNumbersKey(key: unknown[]): key is [number, number] {
  return key.length === 2 && key.every((it) => Number.isSafeInteger(it));
}
export function isNumberAndTextKey(key: unknown[]): key is [number, string] {
  return key.length === 2 && Number.isSafeInteger(key[0]) && typeof key[1] === 'string';
}

/**
 * What a list by these two columns shows after this key: `desc` what is older, as most lists are. One
 * comparison of rows, which an index on both answers. Undefined for the first page.
 */
export function afterKey(
  [first, second]: readonly [PgColumn, PgColumn],
  key: readonly [number, string | number] | undefined,
  order: 'asc' | 'desc' = 'desc',
): SQL | undefined {
  if (key === undefined) return undefined;
  const last = sql`(${sql.param(key[0], first)}, ${sql.param(key[1], second)})`;
  return order === 'desc'
    ? sql`(${first}, ${second}) < ${last}`
    : sql`(${first}, ${second}) > ${last}`;
}

/** Cuts one item more than asked for down to a page: that it is there says that there is more. */
export function pageFrom<T>(
  list: string,
  items: T[],
  limit: number,
  keyOf: (item: T) => Key,
): { items: T[]; nextCursor: string | null } {
  if (items.length <= limit) return { items, nextCursor: null };
  const page = items.slice(0, limit);
  return { items: page, nextCursor: encodeCursor(list, keyOf(page.at(-1)!)) };
}
