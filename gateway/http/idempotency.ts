/**
 * Writes, once each. With an `Idempotency-Key`, claim and effect are one transaction: the row of
 * the key is inserted first, so that a concurrent duplicate waits on it until the first request
 * has committed (and then gets its answer) or failed (and then is the first itself). An error
 * leaves no row: the key may be used again. Rows stay as long as their effect stands, which for
 * what is written to the ledger is for good.
 */
import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { and, eq, sql } from 'drizzle-orm';
import type { Context } from 'hono';
import type { Database, Transaction } from '../../drizzle/client.ts';
import { idempotencyKeys } from '../../drizzle/schema/operations.ts';
import { isLostRace } from './ledger-errors.ts';
import { actorOf } from './principal.ts';
import { ProblemError } from './problem.ts';
import type { HttpEnv } from './router.ts';

export const MAX_IDEMPOTENCY_KEY_CHARACTERS = 255;
const ATTEMPTS = 4;

export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]+$/, { message: 'must be printable ASCII without blanks' })
  .max(MAX_IDEMPOTENCY_KEY_CHARACTERS);

/** `headers` of every write's request. */
export const idempotencyHeader = z.object({
  'Idempotency-Key': idempotencyKeySchema
    .optional()
    .openapi({ description: 'Same key and body: same answer. With another body: 409.' }),
});

export interface Effect<Body> {
  status: 200 | 201;
  /** JSON: what is answered, now and to every repetition. */
  body: Body;
}

export interface Write<Body> {
  /** May run again if its transaction lost a race; everything it does goes through `tx`. */
  run(tx: Transaction): Promise<Effect<Body>>;
  /** Whether a stored answer still holds; if not, `run` runs again. Default: for good. */
  stands?(body: Body, tx: Transaction): boolean | Promise<boolean>;
}

/** Throws 409 for a key that was used for another request, and whatever `run` throws. */
export async function writeOnce<Body>(
  c: Context<HttpEnv>,
  db: Database,
  write: Write<Body>,
): Promise<Effect<Body> & { repeated: boolean }> {
  const key = c.req.header('idempotency-key');
  if (key === undefined) {
    return inTransaction(db, async (tx) => ({ ...(await write.run(tx)), repeated: false }));
  }
  const claim = {
    owner: actorOf(c.get('principal')),
    key,
    requestHash: await hashOf(c),
  };
  const answer = await inTransaction(db, (tx) => claimAndRun(tx, claim, write));
  if (answer.repeated) c.header('idempotency-replayed', 'true');
  return answer;
}

type Claim = Pick<typeof idempotencyKeys.$inferInsert, 'owner' | 'key' | 'requestHash'>;

async function claimAndRun<Body>(
  tx: Transaction,
  claim: Claim,
  write: Write<Body>,
): Promise<Effect<Body> & { repeated: boolean }> {
  const mine = and(eq(idempotencyKeys.owner, claim.owner), eq(idempotencyKeys.key, claim.key));
  const [, inserted] = await Promise.all([
    // Row-level security shows a caller its own keys only.
    tx.execute(sql`select set_config('taximeter.caller', ${claim.owner}, true)`),
    // Waits here while another request holds the same key.
    tx
      .insert(idempotencyKeys)
      .values(claim)
      .onConflictDoNothing()
      .returning({ key: idempotencyKeys.key }),
  ]);
  if (inserted.length === 0) {
    const [stored] = await tx.select().from(idempotencyKeys).where(mine).for('update');
    if (stored !== undefined && stored.requestHash !== claim.requestHash) {
      throw new ProblemError(
        'idempotencyKeyReused',
        `The Idempotency-Key "${claim.key}" was used for another request. Use a new key for a new request.`,
      );
    }
    if (stored !== undefined && stored.status !== null) {
      const body = stored.body as Body;
      if ((await write.stands?.(body, tx)) ?? true) {
        return { status: stored.status as Effect<Body>['status'], body, repeated: true };
      }
    }
  }
  const effect = await write.run(tx);
  await tx.update(idempotencyKeys).set({ status: effect.status, body: effect.body }).where(mine);
  return { ...effect, repeated: false };
}

async function inTransaction<T>(db: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction(run);
    } catch (error) {
      // Only what surely changed nothing is run again; a lost connection may hide a commit.
      if (attempt === ATTEMPTS || !isLostRace(error)) throw error;
    }
  }
}

async function hashOf(c: Context<HttpEnv>): Promise<string> {
  const url = new URL(c.req.url);
  const body = await c.req.text();
  const parts = [c.req.method, url.pathname, url.search, body === '' ? '' : canonical(body)];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** The same body written with other blanks or in another order is the same body. */
function canonical(body: string): string {
  const sorted = (_key: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return JSON.stringify(JSON.parse(body), sorted);
}
