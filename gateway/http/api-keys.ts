/**
 * API keys: made, rotated, revoked by keys. A key never makes, rotates or revokes one that may do more
 * than itself, which the database holds (migration 0015). A secret is shown once and kept nowhere.
 */
import { randomUUID } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { Context } from 'hono';
import { apiKeySecretFrom, hashApiKey, newApiKeyId } from '../../core/runtime/api-key.ts';
import type { Queryable } from '../../drizzle/client.ts';
import {
  findApiKey,
  makeApiKey,
  revokeApiKey,
  rotateApiKey,
} from '../../drizzle/queries/api-keys.ts';
import { apiKeys as keyTable } from '../../drizzle/schema/organizations.ts';
import {
  type ApiKeyShown,
  apiKeyBodySchema,
  apiKeyColumns,
  apiKeySchema,
  apiKeyShown,
  apiKeyWithSecretSchema,
  rotationBodySchema,
} from './api-key-schema.ts';
import { presentedSecret } from './auth.ts';
import { decodeCursor, isTextKey, pageFrom } from './cursor.ts';
import type { HttpDeps } from './deps.ts';
import { idempotencyHeader, writeOnce } from './idempotency.ts';
import { isForbidden } from './ledger-errors.ts';
import { backendSecurity } from './openapi.ts';
import { type KeyPrincipal, requireBackend } from './principal.ts';
import { ProblemError, problemResponses } from './problem.ts';
import { type HttpEnv, newRouter } from './router.ts';
import { idSchema, instant, json, jsonBody, pageOf, pageQuery } from './schemas.ts';

const keyParams = z.object({ id: idSchema('key-2f7a90c4d1') });
const common = { tags: ['API keys'], security: backendSecurity };
const path = '/v1/api-keys/{id}';

const listRoute = createRoute({
  ...{ ...common, method: 'get', path: '/v1/api-keys' },
  summary: 'The keys that this key may see',
  request: { query: pageQuery },
  responses: { 200: json(pageOf(apiKeySchema), 'A page of keys, by id.'), ...problemResponses() },
});

const getRoute = createRoute({
  ...{ ...common, method: 'get', path },
  summary: 'One key',
  request: { params: keyParams },
  responses: { 200: json(apiKeySchema, 'The key.'), ...problemResponses('keyUnknown') },
});

const postRoute = createRoute({
  ...{ ...common, method: 'post', path: '/v1/api-keys' },
  summary: 'Make a key',
  description: 'It may do no more than the key that asks: organizations, scopes, time.',
  request: { headers: idempotencyHeader, ...jsonBody(apiKeyBodySchema) },
  responses: {
    201: json(apiKeyWithSecretSchema, 'The key, with its secret, this once.'),
    ...problemResponses('idempotencyKeyReused'),
  },
});

const rotateRoute = createRoute({
  ...{ ...common, method: 'post', path: `${path}/rotate` },
  summary: 'Give a key a new secret',
  description:
    'The secret before holds for the overlap, so that the app can move over. A secret that is older ' +
    'still ends at once.',
  request: { params: keyParams, headers: idempotencyHeader, ...jsonBody(rotationBodySchema) },
  responses: {
    201: json(apiKeyWithSecretSchema, 'The key, with its new secret, this once.'),
    ...problemResponses('keyUnknown', 'idempotencyKeyReused'),
  },
});

const deleteRoute = createRoute({
  ...{ ...common, method: 'delete', path },
  summary: 'Revoke a key',
  description: 'For good, and from the next call on, at every gateway.',
  request: { params: keyParams, headers: idempotencyHeader },
  responses: {
    200: json(apiKeySchema, 'The key, revoked.'),
    ...problemResponses('keyUnknown', 'idempotencyKeyReused'),
  },
});

/** What is kept of a secret under an Idempotency-Key: enough for its asker to have it again. */
interface Made {
  id: string;
  seed: string;
}

export function apiKeys(deps: HttpDeps) {
  const app = newRouter();

  app.openapi(listRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    const { cursor, limit } = c.req.valid('query');
    const after = decodeCursor('keys', cursor, isTextKey)?.[0];
    const rows = await deps.db.all
      .select(apiKeyColumns)
      .from(keyTable)
      .where(and(seenBy(principal), after === undefined ? undefined : gt(keyTable.id, after)))
      .orderBy(asc(keyTable.id))
      .limit(limit + 1);
    return c.json(
      pageFrom('keys', rows.map(apiKeyShown), limit, ({ id }) => [id]),
      200,
    );
  });

  app.openapi(getRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    return c.json(await readKey(deps.db.all, principal, c.req.valid('param').id), 200);
  });

  app.openapi(postRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    const body = c.req.valid('json');
    const secret = presentedSecret(c);
    const { body: made } = await writeOnce<Made>(c, deps.db.all, {
      async run(tx) {
        const fresh = { id: newApiKeyId(), seed: randomUUID() };
        const { orgs = principal.orgs, scopes = principal.scopes, name } = body;
        const { expiresAt = await expiryOf(tx, principal) } = body;
        if (expiresAt !== null && expiresAt <= deps.now()) throw isPast(expiresAt);
        const hash = hashApiKey(apiKeySecretFrom(secret, fresh.seed));
        const key = { id: fresh.id, name, hash, orgs, scopes, expiresAt };
        await allowed(makeApiKey(tx, hashApiKey(secret), key, deps.now()), MORE_WORDS);
        return { status: 201, body: fresh };
      },
    });
    return c.json(await withSecret(c, deps, principal, made), 201);
  });

  app.openapi(rotateRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    const { id } = c.req.valid('param');
    const { overlapSeconds } = c.req.valid('json');
    const secret = presentedSecret(c);
    const { body: made } = await writeOnce<Made>(c, deps.db.all, {
      async run(tx) {
        const { revokedAt } = await readKey(tx, principal, id);
        if (revokedAt !== null) throw unknown(id, 'It was revoked.');
        const now = deps.now();
        const seed = randomUUID();
        const hash = hashApiKey(apiKeySecretFrom(secret, seed));
        const until = now + overlapSeconds * 1_000;
        await allowed(rotateApiKey(tx, hashApiKey(secret), { id, hash }, until, now), COVER_WORDS);
        return { status: 201, body: { id, seed } };
      },
    });
    return c.json(await withSecret(c, deps, principal, made), 201);
  });

  app.openapi(deleteRoute, async (c) => {
    const principal = requireBackend(c.get('principal'));
    const { id } = c.req.valid('param');
    const { body } = await writeOnce<ApiKeyShown>(c, deps.db.all, {
      async run(tx) {
        await readKey(tx, principal, id);
        const asker = hashApiKey(presentedSecret(c));
        await allowed(revokeApiKey(tx, asker, id, deps.now()), COVER_WORDS);
        return { status: 200, body: await readKey(tx, principal, id) };
      },
    });
    return c.json(body, 200);
  });

  return app;
}

const MORE_WORDS =
  'A key can’t make one that may do more than itself: name organizations and scopes that this key ' +
  'has, and an end that is not after its own.';
const COVER_WORDS = 'A key can’t rotate or revoke one that may do more than itself.';

/** Those whose organizations it all sees. */
function seenBy({ orgs }: KeyPrincipal) {
  return orgs === null ? undefined : sql`${keyTable.orgs} <@ ${sql.param([...orgs])}::text[]`;
}

/** @throws ProblemError `keyUnknown`, also for one that this key may not see */
async function readKey(db: Queryable, principal: KeyPrincipal, id: string): Promise<ApiKeyShown> {
  const [row] = await db
    .select(apiKeyColumns)
    .from(keyTable)
    .where(and(eq(keyTable.id, id), seenBy(principal)));
  if (row === undefined) throw unknown(id, 'GET /v1/api-keys lists those that are here.');
  return apiKeyShown(row);
}

function unknown(id: string, then: string): ProblemError {
  return new ProblemError(
    'keyUnknown',
    `There is no API key "${id}" to see with this one. ${then}`,
  );
}

function isPast(expiresAt: number): ProblemError {
  const when = instant(expiresAt);
  return new ProblemError(
    'invalid',
    `A key that ends at ${when} would never hold: give a later expiresAt, or null for none.`,
    { errors: [{ pointer: '/expiresAt', detail: `must be after now, not ${when}` }] },
  );
}

async function expiryOf(tx: Queryable, { id }: KeyPrincipal): Promise<number | null> {
  const [row] = await tx
    .select({ expiresAt: keyTable.expiresAt })
    .from(keyTable)
    .where(eq(keyTable.id, id));
  return row?.expiresAt ?? null;
}

/** The database refused, as it does where a key would go beyond itself. */
async function allowed(write: Promise<void>, otherwise: string): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (isForbidden(error)) throw new ProblemError('notAllowed', otherwise);
    throw error;
  }
}

/** Made again of what was kept, and only for the very secret that asked the first time. */
async function withSecret(
  c: Context<HttpEnv>,
  { db, now }: HttpDeps,
  principal: KeyPrincipal,
  { id, seed }: Made,
) {
  const secret = apiKeySecretFrom(presentedSecret(c), seed);
  const shown = await readKey(db.all, principal, id);
  const known = await findApiKey(db.all, hashApiKey(secret), now());
  if (known?.id !== id) {
    throw new ProblemError(
      'idempotencyKeyReused',
      `The secret of "${id}" that this Idempotency-Key was answered with holds no longer, or was ` +
        'asked for with another secret. Ask again with a new Idempotency-Key.',
    );
  }
  return { ...shown, secret };
}
