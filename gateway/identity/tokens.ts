/**
 * Tokens of identity providers, taken where a ticket is taken. They are not single use and not ours:
 * a provider's settings alone say which keys, which algorithms and which claims count.
 */
import { createLocalJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { isId } from '../../core/protocol/limits.ts';
import type { Log } from '../../core/runtime/log.ts';
import {
  DEFAULT_TICKET_SCOPES,
  type TicketClaims,
  type TicketError,
  type TicketScope,
} from '../tickets.ts';
import { createKeySet, type KeySet, KeysUnavailable } from './key-set.ts';
import { type ProviderSettings, scopeNamesOf } from './settings.ts';

/** Longer ones are refused unread. */
export const MAX_TOKEN_CHARACTERS = 8_192;
const MAX_SHOWN_CHARACTERS = 60;

export interface Tokens {
  /** Whether a provider issued it, as it says of itself: nothing is checked yet. */
  isOne(token: string): boolean;
  /** Never rejects for what is in the token. */
  verify(token: string): Promise<TicketClaims | TicketError>;
  /** Fetches what keys are not known yet. */
  warm(): Promise<void>;
}

interface Provider {
  settings: ProviderSettings;
  keys: Pick<KeySet, 'key'> & Partial<Pick<KeySet, 'refresh'>>;
}

export interface TokensOptions {
  providers: readonly ProviderSettings[];
  /** Wall clock, epoch ms. */
  now(): number;
  monotonicMs(): number;
  log: Log;
}

export function createTokens({ providers, now, monotonicMs, log }: TokensOptions): Tokens {
  const byIssuer = new Map<string, Provider>();
  for (const settings of providers) {
    const { issuer, jwks, jwksUrl } = settings;
    const keys: Provider['keys'] =
      jwksUrl === undefined
        ? { key: createLocalJWKSet(jwks as Parameters<typeof createLocalJWKSet>[0]) }
        : createKeySet({ url: jwksUrl, monotonicMs, log });
    byIssuer.set(issuer, { settings, keys });
  }

  /** Unread words choose only who is asked whether they are true. */
  function providerOf(token: string): Provider | undefined {
    if (byIssuer.size === 0 || token.length > MAX_TOKEN_CHARACTERS) return undefined;
    try {
      return byIssuer.get(decodeJwt(token).iss ?? '');
    } catch {
      return undefined;
    }
  }

  return {
    isOne: (token) => providerOf(token) !== undefined,
    async warm() {
      await Promise.all([...byIssuer.values()].map(({ keys }) => keys.refresh?.()));
    },
    async verify(token) {
      const provider = providerOf(token);
      if (provider === undefined) return invalid('Its issuer is not known here.');
      const { settings, keys } = provider;
      let payload: JWTPayload;
      try {
        ({ payload } = await jwtVerify(token, keys.key, {
          algorithms: [...settings.algorithms],
          issuer: settings.issuer,
          audience: settings.audience,
          requiredClaims: ['exp'],
          clockTolerance: settings.clockToleranceSeconds,
          currentDate: new Date(now()),
        }));
      } catch (error) {
        return errorOf(error, settings);
      }
      return claimsOf(payload, settings);
    },
  };
}

function claim(payload: JWTPayload, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined,
    payload,
  );
}

/** What is signed may still make no sense here: checked like any other input. */
function claimsOf(payload: JWTPayload, settings: ProviderSettings): TicketClaims | TicketError {
  const { claims, orgs } = settings;
  const org = settings.org ?? claim(payload, claims.org!);
  const user = claim(payload, claims.user);
  if (!isId(org)) return noId(claims.org!, org);
  if (!isId(user)) return noId(claims.user, user);
  // The same words whether it exists or not.
  if (orgs !== undefined && !orgs.includes(org)) {
    return invalid(`Its issuer does not speak for the organization "${org}".`);
  }
  return {
    ...{ org, user, scopes: scopesOf(payload, settings), trustCaptured: false },
    ...{ isReusable: true, jti: '', expiresAt: payload.exp! * 1000 },
  };
}

/** Words with blanks between them, or a list of them. Where no claim is named: all. */
function scopesOf(payload: JWTPayload, settings: ProviderSettings): readonly TicketScope[] {
  if (settings.claims.scopes === undefined) return DEFAULT_TICKET_SCOPES;
  const said = claim(payload, settings.claims.scopes);
  const words: unknown[] = typeof said === 'string' ? said.split(' ') : [said].flat();
  return scopeNamesOf(settings).flatMap(([scope, name]) => (words.includes(name) ? [scope] : []));
}

function noId(path: readonly string[], value: unknown): TicketError {
  const shown = (JSON.stringify(value) ?? 'missing').slice(0, MAX_SHOWN_CHARACTERS);
  return invalid(
    `Its claim "${path.join('.')}" must be an id of 1 to 128 of A-Z a-z 0-9 . _ : - and is ${shown}.`,
  );
}

function invalid(reason: string): TicketError {
  return { error: 'ticketInvalid', detail: `This token is not accepted. ${reason}` };
}

function errorOf(error: unknown, { algorithms }: ProviderSettings): TicketError {
  if (error instanceof KeysUnavailable) {
    const detail = 'The key that signed this token is not known here yet. Try again shortly.';
    return { error: 'ticketStale', detail };
  }
  if (error instanceof errors.JWTExpired) {
    return { error: 'ticketStale', detail: 'The token has expired. Get a new one.' };
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalid(`Its claim "${error.claim}" is wrong or missing.`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return invalid(`It must be signed with ${algorithms.join(' or ')}.`);
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return invalid('Its signature is wrong.');
  }
  if (error instanceof errors.JWKSNoMatchingKey)
    return invalid('Its signing key is not known here.');
  // A key of another kind than the algorithm's, or too short a one, is a TypeError of jose.
  if (error instanceof errors.JOSEError || error instanceof TypeError) {
    return invalid('It is not a well-formed token, or its key does not fit.');
  }
  throw error;
}
