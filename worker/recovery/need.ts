import type { Meter } from '../../core/meter/commands.ts';

/** One field: only the status and the generation matter. */
const GLANCE = { limit: 1 };

export interface Need {
  shard: number;
  /** of the shard's head in Redis; 0 where it has none of this server life */
  headGeneration: number;
}

/**
 * Which shards have to be recovered (rules 21, 22 in core/meter/README.md): without a head, of
 * another server life, or of another generation than Postgres says, which is what a recovery that
 * was cut short leaves, or an older Postgres.
 * @param generations Postgres' generation of every shard
 */
export async function shardsInNeed(
  meter: Pick<Meter, 'pending'>,
  shards: readonly number[],
  generations: readonly number[],
): Promise<Need[]> {
  const needs = await Promise.all(
    shards.map(async (shard): Promise<Need | null> => {
      const reply = await meter.pending(shard, GLANCE);
      if (reply.status === 'recover') return { shard, headGeneration: 0 };
      if (reply.generation === generations[shard]) return null;
      return { shard, headGeneration: reply.generation };
    }),
  );
  return needs.filter((need) => need !== null);
}
