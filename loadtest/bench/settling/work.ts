/** What both sides settle: who records, what they may use, and what is named more than once. */
import { randomUUID } from 'node:crypto';
import type { Sql } from 'postgres';

export const SESSIONS = 320;
export const SESSIONS_AN_ORGANIZATION = 20;
export const ORGANIZATIONS = SESSIONS / SESSIONS_AN_ORGANIZATION;
export const MINUTE_MS = 60_000;

/** Never reached. */
const FAR_MS = 1_000_000 * MINUTE_MS;
const SHORT_MS = 30 * MINUTE_MS;
/** No whole number of minutes, so that some minutes burn two lots. */
const LOT_MS = 150.5 * MINUTE_MS;
/** More than a whole run uses. */
const LOTS = 64;

/** Of all minutes, so many are named in a second batch that comes first, and cuts across the others. */
export const OVERLAPPING = 0.2;
/** So many are named again when all was named. */
export const REPLAYED = 0.1;

/** Every second organization has soon used its plan up, and draws on lots from there, oldest first. */
export function quotaOf(organization: number): number {
  return organization % 2 === 0 ? FAR_MS : SHORT_MS;
}

export interface Lot {
  id: string;
  org: string;
  grantedMs: number;
  purchasedAt: Date;
}

/** Of the organizations that need them; bought a minute after each other. */
export function lotsOf(orgs: readonly string[], from: Date): Lot[] {
  return orgs
    .filter((_, i) => quotaOf(i) === SHORT_MS)
    .flatMap((org) =>
      Array.from({ length: LOTS }, (_, i) => ({
        ...{ id: randomUUID(), org, grantedMs: LOT_MS },
        purchasedAt: new Date(from.getTime() + i * MINUTE_MS),
      })),
    );
}

/** Every n-th, so that the share comes from all of them. */
export function shareOf<T>(items: readonly T[], share: number): T[] {
  const every = Math.round(1 / share);
  return items.filter((_, i) => i % every === 0);
}

/** What Postgres finds out by itself within a minute of use. A fresh table is looked at the wrong way. */
export async function learnTables(sql: Sql): Promise<void> {
  await sql`analyze`;
}
