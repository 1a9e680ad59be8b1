import { sql } from 'drizzle-orm';
import type { Queryable } from '../client.ts';

/** What was said first stays: a `start` that is repeated resumes its session. */
export async function writeMetadata(
  db: Queryable,
  org: string,
  session: string,
  value: string,
): Promise<void> {
  await db.execute(sql`
    insert into session_metadata (org, session, value) values (${org}, ${session}, ${value})
    on conflict do nothing`);
}

/** null: nothing was said of it. */
export async function readMetadata(
  db: Queryable,
  org: string,
  session: string,
): Promise<string | null> {
  const [row] = await db.execute<{ value: string }>(sql`
    select value from session_metadata where org = ${org} and session = ${session}`);
  return row?.value ?? null;
}
