import { DEVELOPMENT_KEY, hashApiKey } from '../../core/runtime/api-key.ts';
import type { Tenants } from '../../drizzle/bound.ts';
import { findApiKey } from '../../drizzle/queries/api-keys.ts';

/** @throws Error where the key that everybody knows was made a key of this installation */
export async function refuseDevelopmentKey({ all }: Pick<Tenants, 'all'>): Promise<void> {
  const found = await findApiKey(all, hashApiKey(DEVELOPMENT_KEY), Date.now());
  if (found === null) return;
  throw new Error(
    `The API key "${found.id}" is "${DEVELOPMENT_KEY}", which everybody knows. ` +
      `Revoke it: npm run keys -- revoke ${found.id}.`,
  );
}
