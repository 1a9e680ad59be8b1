import { sql } from 'drizzle-orm';
import type { Queryable } from '../client.ts';

export interface ShardRow {
  generation: number;
  /** its last recovery came to its end */
  isRecovered: boolean;
}

/** Every shard of the meter, by its number. */
export async function readShards(db: Queryable): Promise<ShardRow[]> {
  const rows = await db.execute<{ generation: number; recovered: number }>(sql`
    select generation, recovered_generation as recovered from shards order by shard`);
  return rows.map(({ generation, recovered }) => ({
    generation,
    isRecovered: recovered === generation,
  }));
}
