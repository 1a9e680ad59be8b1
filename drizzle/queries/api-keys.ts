/**
 * Keys by the functions of migration 0015, the only way a gateway's login has to them. What asks for
 * a change is named by the hash of the key that was presented: the database decides whether it may.
 */
import { sql } from 'drizzle-orm';
import type { Queryable } from '../client.ts';

/** A use is noted once in so long, for each key. */
export const LAST_USED_EVERY_MS = 10 * 60_000;

export interface FoundKey extends Record<string, unknown> {
  id: string;
  orgs: string[] | null;
  scopes: string[] | null;
  lastUsedAt: number | null;
  /** the hash it was found by */
  knownBy: string;
}

const iso = (at: number) => new Date(at).toISOString();
const textArray = (items: readonly string[] | null) =>
  sql`${sql.param(items === null ? null : [...items])}::text[]`;

/** The key of this hash, present or before its last rotation, if it holds. `at`: wall clock, epoch ms. */
export async function findApiKey(
  db: Queryable,
  hash: string,
  at: number,
): Promise<FoundKey | null> {
  const [row] = await db.execute<FoundKey>(sql`
    select id, orgs, scopes, epoch_ms(last_used_at) as "lastUsedAt", known_by as "knownBy"
    from api_key_of(${hash}, ${iso(at)}::timestamptz)`);
  return row ?? null;
}

export function isLongUnused({ lastUsedAt }: FoundKey, at: number): boolean {
  return lastUsedAt === null || at - lastUsedAt >= LAST_USED_EVERY_MS;
}

/** Again, and at once by several, it is one write. */
export async function noteUse(db: Queryable, hash: string, at: number): Promise<void> {
  const before = iso(at - LAST_USED_EVERY_MS);
  await db.execute(
    sql`select use_api_key(${hash}, ${iso(at)}::timestamptz, ${before}::timestamptz)`,
  );
}

export interface NewKey {
  id: string;
  name: string;
  hash: string;
  orgs: readonly string[] | null;
  scopes: readonly string[] | null;
  expiresAt: number | null;
}

/** Each of these rejects with code TMK01 where the asker may not, and writes its audit entry. */
export async function makeApiKey(
  tx: Queryable,
  asker: string,
  key: NewKey,
  at: number,
): Promise<void> {
  const expires = key.expiresAt === null ? null : iso(key.expiresAt);
  await tx.execute(sql`
    select make_api_key(${asker}, ${key.id}, ${key.name}, ${key.hash}, ${textArray(key.orgs)},
      ${textArray(key.scopes)}, ${expires}::timestamptz, ${iso(at)}::timestamptz)`);
}

/** @param until until when the secret before holds; not after `at`: no longer */
export async function rotateApiKey(
  tx: Queryable,
  asker: string,
  key: { id: string; hash: string },
  until: number,
  at: number,
): Promise<void> {
  await tx.execute(sql`
    select rotate_api_key(${asker}, ${key.id}, ${key.hash}, ${iso(until)}::timestamptz,
      ${iso(at)}::timestamptz)`);
}

export async function revokeApiKey(
  tx: Queryable,
  asker: string,
  id: string,
  at: number,
): Promise<void> {
  await tx.execute(sql`select revoke_api_key(${asker}, ${id}, ${iso(at)}::timestamptz)`);
}
