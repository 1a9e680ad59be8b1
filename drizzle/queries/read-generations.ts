import { sql } from 'drizzle-orm';
import type { Queryable } from '../client.ts';

/** Present generation of every shard, by its number. */
export async function readGenerations(db: Queryable): Promise<number[]> {
  const rows = await db.execute<{ shard: number; generation: number }>(
    sql`select shard, generation from shards order by shard`,
  );
  return rows.map((row) => row.generation);
}
