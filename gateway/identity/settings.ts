/** IDENTITY_PROVIDERS: whose tokens are taken beside tickets, and what their claims mean here. */
import { z } from 'zod';
import { isId } from '../../core/protocol/limits.ts';
import { TICKET_ISSUER, TICKET_SCOPES } from '../tickets.ts';

/** Of a private key each: a secret that is shared, or none at all, proves nothing of who signed. */
export const TOKEN_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const;
const DEFAULT_CLOCK_TOLERANCE_SECONDS = 30;
const MAX_CLOCK_TOLERANCE_SECONDS = 300;
const MAX_PROVIDERS = 100;

/** A claim's name, or the way to one inside others. Names may have dots and slashes, as URLs do. */
const claimSchema = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .transform((claim) => [claim].flat());

/** Members of a JWK that only whoever signs, or shares a secret, should have. */
const PRIVATE = ['d', 'p', 'q', 'k'];
const jwksSchema = z
  .object({ keys: z.array(z.record(z.string(), z.unknown())).min(1) })
  .refine(({ keys }) => keys.every((key) => !PRIVATE.some((name) => name in key)), {
    message: 'must have public keys only',
  });

const isSafe = (text: string) => {
  const { protocol, hostname, username } = new URL(text);
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  return username === '' && (protocol === 'https:' || (protocol === 'http:' && isHere));
};

const providerSchema = z
  .strictObject({
    issuer: z.string().min(1).max(2_000),
    /** Whom its tokens must be for: without it a token for another app would let its holder in. */
    audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
    jwksUrl: z
      .url()
      .refine(isSafe, { message: 'must be https:// (http:// on this machine only)' })
      .optional(),
    jwks: jwksSchema.optional(),
    algorithms: z.array(z.enum(TOKEN_ALGORITHMS)).min(1).default(['RS256']),
    claims: z.strictObject({
      org: claimSchema.optional(),
      user: claimSchema.default(['sub']),
      scopes: claimSchema.optional(),
    }),
    /** Of all its tokens, instead of a claim. */
    org: z.string().refine(isId, { message: 'must be an id' }).optional(),
    /** It may speak for these only. Left out: for every organization of this installation. */
    orgs: z
      .array(z.string().refine(isId, { message: 'must be an id' }))
      .min(1)
      .optional(),
    /** What the claim says for each of our scopes; left out, as they are called here. */
    scopeNames: z
      .strictObject({
        record: z.string().min(1).optional(),
        read: z.string().min(1).optional(),
        buy: z.string().min(1).optional(),
      })
      .default({}),
    clockToleranceSeconds: z
      .number()
      .min(0)
      .max(MAX_CLOCK_TOLERANCE_SECONDS)
      .default(DEFAULT_CLOCK_TOLERANCE_SECONDS),
  })
  .refine(({ jwks, jwksUrl }) => (jwks === undefined) !== (jwksUrl === undefined), {
    message: 'must have either jwksUrl or jwks',
  })
  .refine(({ org, claims }) => (org === undefined) !== (claims.org === undefined), {
    message: 'must say the organization, either by claims.org or by org',
  })
  .refine(({ issuer }) => issuer !== TICKET_ISSUER, {
    message: `must not be called "${TICKET_ISSUER}", as tickets are`,
  });
export type ProviderSettings = z.output<typeof providerSchema>;
export type ProviderInput = z.input<typeof providerSchema>;

const providersSchema = z
  .array(providerSchema)
  .max(MAX_PROVIDERS)
  .refine((all) => new Set(all.map(({ issuer }) => issuer)).size === all.length, {
    message: 'must not name an issuer twice',
  });

/** By name of our scope, what a token calls it. */
export function scopeNamesOf({ scopeNames }: ProviderSettings) {
  return TICKET_SCOPES.map((scope) => [scope, scopeNames[scope] ?? scope] as const);
}

/** The variable, from its text. */
export function identityProviders() {
  return z.string().transform((text, context) => {
    const said = (message: string) => {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    };
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return said('must be a JSON list of identity providers');
    }
    const read = providersSchema.safeParse(value);
    if (read.success) return read.data;
    const issues = read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    return said(`is not right: ${issues.join('; ')}`);
  });
}
