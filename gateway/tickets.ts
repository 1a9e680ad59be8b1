/**
 * Tickets: short-lived tokens that let one member of one organization in, minted for the backend
 * of the app and given to its browser. A ticket opens one connection (`redeem`) and, until it
 * expires, reads its own member's figures over HTTP. Never in a URL, never in a log.
 * Tickets live on the wall clock: the test clock speeds up metering, not who may come in.
 */
import { createHash, randomUUID, subtle, type webcrypto } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { type MeterKeys, meterKeys } from '../core/meter/keys.ts';
import { isId } from '../core/protocol/limits.ts';

export const DEFAULT_TICKET_TTL_SECONDS = 60;
export const MIN_TICKET_TTL_SECONDS = 5;
/** Long enough for a page that reads figures; a connection outlives its ticket anyway. */
export const MAX_TICKET_TTL_SECONDS = 3_600;
export const MIN_TICKET_SECRET_BYTES = 32;
/** Between the clock of the gateway that minted a ticket and that of the one it is shown to. */
export const TICKET_CLOCK_TOLERANCE_SECONDS = 5;
/** Longer ones are refused unread. */
export const MAX_TICKET_CHARACTERS = 4_096;

/** No identity provider may be called so. */
export const TICKET_ISSUER = 'taximeter';
const AUDIENCE = 'taximeter.v1';
/** So that no other token signed with the same secret passes for a ticket. */
const TOKEN_TYPE = 'ticket+jwt';
/** Fixed: what the token says of itself never chooses how it is checked. */
const ALGORITHM = 'HS256';

/** `record` opens connections, `read` reads own figures over HTTP, `buy` buys for the organization. */
export const TICKET_SCOPES = ['record', 'read', 'buy'] as const;
export type TicketScope = (typeof TICKET_SCOPES)[number];
/** Where none are named. Who may buy is said. */
export const DEFAULT_TICKET_SCOPES: readonly TicketScope[] = ['record', 'read'];

export interface TicketKey {
  /** Travels in the token's header and chooses the key it is checked with. */
  kid: string;
  /** At least 32 bytes. */
  secret: Uint8Array;
}

/** What the minting backend vouches for. */
export interface TicketGrant {
  org: string;
  user: string;
  /** Only this session may be started or resumed with it. */
  session?: string | undefined;
  /** Default: `record` and `read`. */
  scopes?: readonly TicketScope[] | undefined;
  /** Only a browser page of this origin may use it. */
  origin?: string | undefined;
  /** `capturedMs` of the recorder may lower what is charged (rule 3 of core/meter/README.md). */
  trustCaptured?: boolean | undefined;
}

export interface TicketClaims extends TicketGrant {
  scopes: readonly TicketScope[];
  trustCaptured: boolean;
  /** Of an identity provider's token: it opens connections until it expires. */
  isReusable?: true;
  jti: string;
  /** Wall clock, epoch ms. */
  expiresAt: number;
}

export interface TicketRequest extends TicketGrant {
  ttlSeconds?: number | undefined;
  /** Given by whoever must be able to mint the very same ticket again. Default: a random one. */
  jti?: string | undefined;
  /** Wall clock, epoch ms. Default: now. */
  issuedAt?: number | undefined;
}

/** `ticketStale`: a fresh ticket will do. `ticketInvalid`: this holder does not get in. */
export interface TicketError {
  error: 'ticketInvalid' | 'ticketStale';
  /** A sentence for a person. Holds no part of the ticket. */
  detail: string;
}

export interface Tickets {
  mint(request: TicketRequest): Promise<{ ticket: string; jti: string; expiresAt: number }>;
  /**
   * Checks everything but single use. `origin`: that of the request, null when it has none;
   * undefined when it does not matter to the caller. Never throws for what is in the token.
   */
  verify(ticket: string, request?: { origin?: string | null }): Promise<TicketClaims | TicketError>;
  /**
   * Single use, for a connect: true for the first caller of all gateways, false for everyone
   * after. Throws when Redis cannot be asked.
   */
  redeem(claims: Pick<TicketClaims, 'jti' | 'expiresAt' | 'isReusable'>): Promise<boolean>;
}

export interface TicketOptions {
  /** The first one signs; all of them verify. Rotate: put the new one first, drop the old later. */
  keys: readonly TicketKey[];
  /** Wall clock, epoch ms. */
  now(): number;
  redis: {
    set(...mark: [key: string, value: string, 'PX', ms: number, 'NX']): Promise<'OK' | null>;
  };
  meterKeys?: Pick<MeterKeys, 'ticket'>;
}

/**
 * Keys of secrets as configuration has them, the present one first. A key is named by its own
 * digest: gateways agree on the name whatever place the secret has in each one's list, as while a
 * rotation rolls over them.
 */
export function ticketKeysOf(secrets: readonly string[]): TicketKey[] {
  return secrets.map((text) => {
    const secret = new TextEncoder().encode(text);
    return { kid: createHash('sha256').update(secret).digest('hex').slice(0, 12), secret };
  });
}

export function createTickets(options: TicketOptions): Tickets {
  const { now, redis } = options;
  const ringByKid = keyRing(options.keys);
  const { kid } = options.keys[0]!;
  const signing = ringByKid.get(kid)!;
  const keys = options.meterKeys ?? meterKeys();

  return {
    async mint(request) {
      const ttlSeconds = request.ttlSeconds ?? DEFAULT_TICKET_TTL_SECONDS;
      if (!(ttlSeconds >= MIN_TICKET_TTL_SECONDS && ttlSeconds <= MAX_TICKET_TTL_SECONDS)) {
        throw new RangeError(
          `A ticket lives ${MIN_TICKET_TTL_SECONDS} to ${MAX_TICKET_TTL_SECONDS} seconds, not ${ttlSeconds}.`,
        );
      }
      const jti = request.jti ?? randomUUID();
      const issuedAt = request.issuedAt ?? now();
      const expiresAt = expiryOf(issuedAt, ttlSeconds);
      const ticket = await new SignJWT(payloadOf(request))
        .setProtectedHeader({ alg: ALGORITHM, typ: TOKEN_TYPE, kid })
        .setIssuer(TICKET_ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(request.user)
        .setJti(jti)
        .setIssuedAt(wholeSeconds(issuedAt))
        .setExpirationTime(expiresAt / 1000)
        .sign(await signing);
      return { ticket, jti, expiresAt };
    },

    async verify(ticket, request = {}) {
      if (ticket.length > MAX_TICKET_CHARACTERS) {
        return invalid(`It is longer than ${MAX_TICKET_CHARACTERS} characters.`);
      }
      let payload: JWTPayload;
      try {
        ({ payload } = await jwtVerify(ticket, (header) => keyNamed(ringByKid, header.kid), {
          algorithms: [ALGORITHM],
          typ: TOKEN_TYPE,
          issuer: TICKET_ISSUER,
          audience: AUDIENCE,
          requiredClaims: ['sub', 'org', 'jti', 'iat', 'exp'],
          // A leaked key or a faulty minter cannot make one that lives for ever.
          maxTokenAge: MAX_TICKET_TTL_SECONDS,
          clockTolerance: TICKET_CLOCK_TOLERANCE_SECONDS,
          currentDate: new Date(now()),
        }));
      } catch (error) {
        if (error instanceof errors.JWTExpired) {
          return { error: 'ticketStale', detail: 'The ticket has expired. Get a new one.' };
        }
        if (isFromTheFuture(error)) {
          return {
            error: 'ticketStale',
            detail: 'The clock that made it is ahead. Get a new one.',
          };
        }
        if (error instanceof errors.JOSEError) return invalid(reasonOf(error));
        throw error;
      }
      const claims = claimsOf(payload);
      if (claims === undefined) return invalid('Its claims are not those of a ticket.');
      const { origin } = request;
      if (claims.origin !== undefined && origin !== undefined && origin !== claims.origin) {
        return invalid(`It was made for pages of another origin than ${origin ?? 'none at all'}.`);
      }
      return claims;
    },

    async redeem(claims) {
      // The mark must outlive the ticket, on the clock of whichever gateway is slowest.
      const restMs =
        Math.max(0, claims.expiresAt - now()) + 2 * TICKET_CLOCK_TOLERANCE_SECONDS * 1000;
      return (await redis.set(keys.ticket(claims.jti), '1', 'PX', restMs, 'NX')) === 'OK';
    },
  };
}

const wholeSeconds = (ms: number) => Math.floor(ms / 1000);

/** By the clock here: which of two gateways' clocks is wrong nobody can tell, so it lets nobody in. */
function isFromTheFuture(error: unknown): boolean {
  if (!(error instanceof errors.JWTClaimValidationFailed)) return false;
  return error.claim === 'iat' && error.reason === 'check_failed';
}

/** Wall clock, epoch ms: a token's instants are whole seconds. */
export function expiryOf(issuedAt: number, ttlSeconds: number): number {
  return (wholeSeconds(issuedAt) + Math.floor(ttlSeconds)) * 1000;
}

/** Imported once: for each token it would cost as much as the token itself. */
function imported(secret: Uint8Array): Promise<webcrypto.CryptoKey> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  return subtle.importKey('raw', Uint8Array.from(secret), algorithm, false, ['sign', 'verify']);
}

type KeyRing = ReadonlyMap<string, Promise<webcrypto.CryptoKey>>;

function keyRing(keys: readonly TicketKey[]): KeyRing {
  const ring = new Map<string, Promise<webcrypto.CryptoKey>>();
  for (const { kid, secret } of keys) {
    if (secret.byteLength < MIN_TICKET_SECRET_BYTES) {
      throw new RangeError(
        `The ticket key ${kid} has ${secret.byteLength} bytes; it needs at least ${MIN_TICKET_SECRET_BYTES}.`,
      );
    }
    if (ring.has(kid)) throw new RangeError(`There are two ticket keys named ${kid}.`);
    ring.set(kid, imported(secret));
  }
  if (ring.size === 0) throw new RangeError('No ticket key was given; at least one is needed.');
  return ring;
}

async function keyNamed(ring: KeyRing, kid: string | undefined): Promise<webcrypto.CryptoKey> {
  const key = kid === undefined ? undefined : ring.get(kid);
  if (key === undefined) throw new errors.JWKSNoMatchingKey();
  return key;
}

function payloadOf(grant: TicketGrant): JWTPayload {
  const payload: JWTPayload = { org: grant.org };
  if (grant.session !== undefined) payload.session = grant.session;
  if (grant.scopes !== undefined) payload.scopes = [...grant.scopes];
  if (grant.origin !== undefined) payload.origin = grant.origin;
  if (grant.trustCaptured) payload.trustCaptured = true;
  return payload;
}

/** The signature says who wrote it, not that it makes sense: checked like any other input. */
function claimsOf(payload: JWTPayload): TicketClaims | undefined {
  const { org, sub, session, scopes, origin, trustCaptured, jti, exp } = payload;
  if (!isId(org) || !isId(sub) || (session !== undefined && !isId(session))) return undefined;
  if (origin !== undefined && typeof origin !== 'string') return undefined;
  if (scopes !== undefined && !isScopes(scopes)) return undefined;
  if (typeof jti !== 'string' || exp === undefined) return undefined;
  return {
    org,
    user: sub,
    ...(session === undefined ? {} : { session }),
    ...(origin === undefined ? {} : { origin }),
    scopes: scopes ?? DEFAULT_TICKET_SCOPES,
    trustCaptured: trustCaptured === true,
    jti,
    expiresAt: exp * 1000,
  };
}

function isScopes(value: unknown): value is TicketScope[] {
  return Array.isArray(value) && value.every((scope) => TICKET_SCOPES.includes(scope));
}

function invalid(reason: string): TicketError {
  return { error: 'ticketInvalid', detail: `This ticket is not accepted. ${reason}` };
}

/** Tells an honest developer what to look at, without saying more than the token's own holder knows. */
function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTClaimValidationFailed)
    return `Its claim "${error.claim}" is wrong or missing.`;
  if (error instanceof errors.JWKSNoMatchingKey) return 'Its signing key is not known here.';
  if (error instanceof errors.JOSEAlgNotAllowed) return `It must be signed with ${ALGORITHM}.`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'Its signature is wrong.';
  return 'It is not a well-formed token.';
}
