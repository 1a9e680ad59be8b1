/** The database as a caller may see it: what is not theirs is not there. */
import type { Database } from '../../drizzle/client.ts';
import type { HttpDeps } from './deps.ts';
import type { Principal } from './principal.ts';

/** @param org the one that is asked about, if the caller names one: whether it may, is asked elsewhere */
export function visibleTo(
  { db }: Pick<HttpDeps, 'db'>,
  principal: Principal,
  org?: string,
): Database {
  if (org !== undefined) return db.of(org);
  if (principal.kind === 'ticket') return db.of(principal.claims.org);
  return principal.orgs === null ? db.all : db.of(principal.orgs);
}
