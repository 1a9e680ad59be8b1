/** API keys as the API takes and shows them. The secret is shown once, when it is made. */
import { z } from '@hono/zod-openapi';
import { API_KEY_SCOPE_NAMES, API_KEY_SCOPES } from '../../core/runtime/api-key.ts';
import { apiKeys } from '../../drizzle/schema/organizations.ts';
import {
  givenInstant,
  idSchema,
  instant,
  instantOrNull,
  instantSchema,
  nameSchema,
} from './schemas.ts';

const MAX_ORGANIZATIONS = 1_000;
export const DEFAULT_OVERLAP_SECONDS = 24 * 3_600;
export const MAX_OVERLAP_SECONDS = 30 * 24 * 3_600;

const SCOPE_WORDS = API_KEY_SCOPE_NAMES.map((name) => `\`${name}\`: ${API_KEY_SCOPES[name]}`);
const scopeSchema = z.enum(API_KEY_SCOPE_NAMES).openapi({ description: SCOPE_WORDS.join('; ') });

export const apiKeyBodySchema = z
  .strictObject({
    name: nameSchema.openapi({ example: 'Billing backend' }),
    orgs: z.array(idSchema('acme')).max(MAX_ORGANIZATIONS).nullable().optional().openapi({
      description: 'Which organizations it sees; null = all. Default: as the asker’s.',
    }),
    scopes: z
      .array(scopeSchema)
      .nullable()
      .optional()
      .openapi({ description: 'What it may do; null = all. Default: as the asker’s.' }),
    expiresAt: givenInstant
      .nullable()
      .optional()
      .openapi({ description: 'null = never. Default: as the asker’s.' }),
  })
  .openapi('ApiKeyBody');

export const rotationBodySchema = z
  .strictObject({
    overlapSeconds: z
      .int()
      .min(0)
      .max(MAX_OVERLAP_SECONDS)
      .default(DEFAULT_OVERLAP_SECONDS)
      .openapi({
        description: 'How long the secret before holds beside the new one. 0: not at all.',
      }),
  })
  .openapi('ApiKeyRotationBody');

const shape = {
  id: idSchema('key-2f7a90c4d1'),
  name: z.string(),
  orgs: z.array(z.string()).nullable().openapi({ description: 'null = all' }),
  scopes: z.array(z.string()).nullable().openapi({ description: 'null = all' }),
  createdAt: instantSchema,
  expiresAt: instantSchema.nullable(),
  revokedAt: instantSchema.nullable(),
  previousUntil: instantSchema.nullable().openapi({
    description: 'Until when the secret before the last rotation holds.',
  }),
  lastUsedAt: instantSchema.nullable().openapi({ description: 'To about ten minutes.' }),
};
export const apiKeySchema = z
  .object(shape)
  .openapi('ApiKey', { description: 'A key, without its secret.' });
export type ApiKeyShown = z.infer<typeof apiKeySchema>;

export const apiKeyWithSecretSchema = z
  .object({
    ...shape,
    secret: z.string().openapi({
      description: 'What the backend sends as `Authorization: Bearer`. Shown this once.',
      example: 'tmk_…',
    }),
  })
  .openapi('ApiKeyWithSecret');

/** What a gateway's login may read of a key. */
export const apiKeyColumns = {
  id: apiKeys.id,
  name: apiKeys.name,
  orgs: apiKeys.orgs,
  scopes: apiKeys.scopes,
  createdAt: apiKeys.createdAt,
  expiresAt: apiKeys.expiresAt,
  revokedAt: apiKeys.revokedAt,
  previousUntil: apiKeys.previousUntil,
  lastUsedAt: apiKeys.lastUsedAt,
};
type Row = Omit<typeof apiKeys.$inferSelect, 'keyHash' | 'previousHash'>;

export function apiKeyShown({ id, name, orgs, scopes, ...at }: Row): ApiKeyShown {
  return {
    ...{ id, name, orgs, scopes },
    createdAt: instant(at.createdAt),
    expiresAt: instantOrNull(at.expiresAt),
    revokedAt: instantOrNull(at.revokedAt),
    previousUntil: instantOrNull(at.previousUntil),
    lastUsedAt: instantOrNull(at.lastUsedAt),
  };
}
