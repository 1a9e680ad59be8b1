/**
 * Who asks: an API key of this installation or a member's ticket, both as `Authorization: Bearer`.
 * Never in a URL, where logs and histories keep it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { DEVELOPMENT_KEY, hashApiKey } from '../../core/runtime/api-key.ts';
import { findApiKey, isLongUnused, noteUse } from '../../drizzle/queries/api-keys.ts';
import type { HttpDeps } from './deps.ts';
import { actorOf, type Principal } from './principal.ts';
import { ProblemError } from './problem.ts';
import { holdRate } from './rate-limit.ts';
import type { HttpEnv } from './router.ts';

export const MAX_KEY_CHARACTERS = 256;

/** Three parts of base64url, the first a JSON object: a JWT. No API key looks like that. */
const TICKET_FORM = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;

function equalInConstantTime(a: string, b: string): boolean {
  // Hashed first: buffers of different lengths cannot be compared, and lengths would show.
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

type AuthDeps = Pick<HttpDeps, 'db' | 'tickets' | 'now' | 'development' | 'rate' | 'log'>;

const bearerOf = (c: Context) =>
  /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1];

/** The secret of the API key that asks. Only for what changes keys: it is neither kept nor logged. */
export function presentedSecret(c: Context<HttpEnv>): string {
  return bearerOf(c)!;
}

/** Sets `principal`, or answers 401 by throwing. */
export function authenticate(deps: AuthDeps): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const given = bearerOf(c);
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

async function keyOf(deps: AuthDeps, given: string): Promise<Principal> {
  if (given.length <= MAX_KEY_CHARACTERS) {
    const isOfDevelopment = equalInConstantTime(given, DEVELOPMENT_KEY);
    if (isOfDevelopment && deps.development) {
      return { kind: 'key', id: DEVELOPMENT_KEY, orgs: null, scopes: null };
    }
    // In production not even where its row is left over.
    const principal = isOfDevelopment ? undefined : await findKey(deps, hashApiKey(given));
    if (principal !== undefined) return principal;
  }
  throw new ProblemError(
    'keyInvalid',
    'This API key is not known here, has expired or was revoked. Use a key of this installation.',
  );
}

/** Asked for with every call: a key that is revoked opens nothing from the next call on. */
async function findKey({ db, now, log }: AuthDeps, hash: string): Promise<Principal | undefined> {
  const at = now();
  const found = await findApiKey(db.all, hash, at);
  // The index compared hashes of what was sent, which tell nothing of the key; this is the decision.
  if (found === null || !equalInConstantTime(found.knownBy, hash)) return undefined;
  if (isLongUnused(found, at)) {
    // Not waited for: nobody is refused, and nobody is slowed down, for a note.
    noteUse(db.all, hash, at).catch((err) => log.debug({ err }, 'a use of a key was not noted'));
  }
  return { kind: 'key', id: found.id, orgs: found.orgs, scopes: found.scopes };
}
