/**
 * Who asks: an API key of this installation or a member's ticket, both as `Authorization: Bearer`.
 * Never in a URL, where logs and histories keep it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { eq } from 'drizzle-orm';
import type { MiddlewareHandler } from 'hono';
import type { Database } from '../../drizzle/client.ts';
import { apiKeys } from '../../drizzle/schema/organizations.ts';
import type { HttpDeps } from './deps.ts';
import { actorOf, type Principal } from './principal.ts';
import { ProblemError } from './problem.ts';
import { holdRate } from './rate-limit.ts';
import type { HttpEnv } from './router.ts';

/** Accepted in development only; a production start refuses every secret of development. */
export const DEVELOPMENT_KEY = 'dev-key';
export const MAX_KEY_CHARACTERS = 256;

/** Three parts of base64url, the first a JSON object: a JWT. No API key looks like that. */
const TICKET_FORM = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;

/** What is stored of a key, hexadecimal. Keys are random and long, so that one pass suffices. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function equalInConstantTime(a: string, b: string): boolean {
  // Hashed first: buffers of different lengths cannot be compared, and lengths would show.
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

type AuthDeps = Pick<HttpDeps, 'db' | 'tickets' | 'now' | 'development' | 'rate'>;

/** Sets `principal`, or answers 401 by throwing. */
export function authenticate(deps: AuthDeps): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const given = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (given === undefined) {
      throw new ProblemError(
        'credentialsMissing',
        'Send an API key or a ticket in the header "Authorization: Bearer …".',
      );
    }
    const origin = c.req.header('origin');
    const { rate } = deps;
    if (TICKET_FORM.test(given)) {
      const principal = await ticketOf(deps, given, origin);
      if (rate) await holdRate(rate, actorOf(principal), c);
      c.set('principal', principal);
    } else {
      // Before the database is asked, which a flood would ask each time.
      if (rate) await holdRate(rate, `key:${hashApiKey(given)}`, c);
      c.set('principal', await keyOf(deps, given));
    }
    await next();
  };
}

/** Not redeemed: single use is for connecting, where a replay would take a session over. */
async function ticketOf(
  { tickets }: AuthDeps,
  given: string,
  origin: string | undefined,
): Promise<Principal> {
  // A browser sends no Origin with a GET to its own server: then there is nothing to compare.
  const claims = await tickets.verify(given, origin === undefined ? {} : { origin });
  if ('error' in claims) throw new ProblemError(claims.error, claims.detail);
  return { kind: 'ticket', claims };
}

async function keyOf({ db, now, development }: AuthDeps, given: string): Promise<Principal> {
  if (given.length <= MAX_KEY_CHARACTERS) {
    if (development && equalInConstantTime(given, DEVELOPMENT_KEY)) {
      return { kind: 'key', id: DEVELOPMENT_KEY, orgs: null };
    }
    const principal = await findKey(db.all, hashApiKey(given), now());
    if (principal !== undefined) return principal;
  }
  throw new ProblemError(
    'keyInvalid',
    'This API key is not known here, has expired or was revoked. Use a key of this installation.',
  );
}

async function findKey(db: Database, hash: string, now: number): Promise<Principal | undefined> {
  const [row] = await db.select().from(apiKeys).where(eq(apiKeys.keyHash, hash)).limit(1);
  // The index compared hashes of what was sent, which tell nothing of the key; this is the decision.
  if (row === undefined || !equalInConstantTime(row.keyHash, hash)) return undefined;
  if (row.revokedAt !== null && row.revokedAt <= now) return undefined;
  if (row.expiresAt !== null && row.expiresAt <= now) return undefined;
  return { kind: 'key', id: row.id, orgs: row.orgs };
}
