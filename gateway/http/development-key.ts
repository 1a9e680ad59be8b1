import { and, eq, isNull } from 'drizzle-orm';
import type { Tenants } from '../../drizzle/bound.ts';
import { apiKeys } from '../../drizzle/schema/organizations.ts';
import { DEVELOPMENT_KEY, hashApiKey } from './auth.ts';

/** @throws Error where the key that everybody knows was made a key of this installation */
export async function refuseDevelopmentKey({ all }: Pick<Tenants, 'all'>): Promise<void> {
  const isIt = eq(apiKeys.keyHash, hashApiKey(DEVELOPMENT_KEY));
  const [found] = await all
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(and(isIt, isNull(apiKeys.revokedAt)));
  if (found === undefined) return;
  throw new Error(
    `The API key "${found.id}" is "${DEVELOPMENT_KEY}", which everybody knows. ` +
      'Revoke it: set its revoked_at in api_keys.',
  );
}
