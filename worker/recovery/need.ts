import type { Meter } from '../../core/meter/commands.ts';
import { nullIfPart } from '../../core/meter/servers.ts';
import type { ShardRow } from '../../drizzle/queries/read-shards.ts';

/** One field: only the status and the generation matter. */
const GLANCE = { limit: 1 };

export interface Need {
  shard: number;
  /** of the shard's head in Redis; 0 where it has none of this server life */
  headGeneration: number;
}

/**
 * Which shards have to be recovered (rules 21, 22 in core/meter/README.md): without a head, of
 * another server life, of another generation than Postgres says (an older Postgres, a changed
 * clock), or whose recovery was cut short.
 * Those that can't be asked now are left to the next look.
 * @param known what Postgres has of every shard
 */
export async function shardsInNeed(
  meter: Pick<Meter, 'pending'>,
  shards: readonly number[],
  known: readonly ShardRow[],
): Promise<Need[]> {
  const needs = await Promise.all(
    shards.map(async (shard): Promise<Need | null> => {
      const reply = await meter.pending(shard, GLANCE).catch(nullIfPart);
      if (reply === null) return null;
      if (reply.status === 'recover') return { shard, headGeneration: 0 };
      const { generation, isRecovered } = known[shard]!;
      if (reply.generation === generation && isRecovered) return null;
      return { shard, headGeneration: reply.generation };
    }),
  );
  return needs.filter((need) => need !== null);
}
