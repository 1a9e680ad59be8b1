/** Keys by hand of the operator, who owns the tables: no other key is asked for. */
import { asc, eq, isNull, sql } from 'drizzle-orm';
import { hashApiKey, newApiKeyId, newApiKeySecret } from '../../core/runtime/api-key.ts';
import { FlagError } from '../../core/runtime/command.ts';
import type { Database } from '../../drizzle/client.ts';
import { auditLog } from '../../drizzle/schema/operations.ts';
import { apiKeys } from '../../drizzle/schema/organizations.ts';
import type { KeysCommand } from './flags.ts';

const MS_PER_DAY = 86_400_000;

export interface KeyLine {
  id: string;
  name: string;
  orgs: string[] | null;
  scopes: string[] | null;
  expiresAt: string | null;
  revokedAt: string | null;
  lastUsedAt: string | null;
  /** of a key that was just made */
  secret?: string;
}

const textOf = (at: number | null) => (at === null ? null : new Date(at).toISOString());

function lineOf(row: typeof apiKeys.$inferSelect): KeyLine {
  const { id, name, orgs, scopes } = row;
  const at = { expiresAt: textOf(row.expiresAt), revokedAt: textOf(row.revokedAt) };
  return { id, name, orgs, scopes, ...at, lastUsedAt: textOf(row.lastUsedAt) };
}

/** @param at wall clock, epoch ms  @throws FlagError for a key that is not there */
export async function runKeys(
  db: Database,
  command: KeysCommand,
  actor: string,
  at: number,
): Promise<KeyLine[]> {
  if (command.kind === 'list') {
    return (await db.select().from(apiKeys).orderBy(asc(apiKeys.id))).map(lineOf);
  }
  return db.transaction(async (tx) => {
    if (command.kind === 'revoke') {
      const { id } = command;
      const isIt = eq(apiKeys.id, id);
      const ended = await tx
        .update(apiKeys)
        .set({ revokedAt: at })
        .where(sql`${isIt} and ${isNull(apiKeys.revokedAt)}`)
        .returning();
      if (ended.length > 0) {
        await tx.insert(auditLog).values({ at, actor, action: 'key.revoke', subject: id });
      }
      const [row] = await tx.select().from(apiKeys).where(isIt);
      if (row === undefined) throw new FlagError(`There is no API key "${id}". See: list.`);
      return [lineOf(row)];
    }
    const { name, orgs, scopes, expiresInDays } = command;
    const secret = newApiKeySecret();
    const [row] = await tx
      .insert(apiKeys)
      .values({
        ...{ id: newApiKeyId(), name, orgs, scopes, createdAt: at },
        keyHash: hashApiKey(secret),
        expiresAt: expiresInDays === null ? null : at + Math.round(expiresInDays * MS_PER_DAY),
      })
      .returning();
    await tx.insert(auditLog).values({
      ...{ at, actor, action: 'key.make', subject: row!.id },
      org: orgs?.length === 1 ? orgs[0]! : null,
      detail: { name, orgs, scopes, expiresAt: textOf(row!.expiresAt) },
    });
    return [{ ...lineOf(row!), secret }];
  });
}
