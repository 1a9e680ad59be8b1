/** Hears what the meter says on its channels: other gateways' changes of the budgets we draw on. */
import type { Cluster, Redis } from 'ioredis';
import { decodeEvent } from '../core/meter/decode.ts';
import { type MeterKeys, SHARDS } from '../core/meter/keys.ts';
import type { MeterEvent } from '../core/meter/rows.ts';

/** Losing a message costs nothing: every reply carries the same state, versioned (rule 8). */
export async function listen(
  redis: Redis | Cluster,
  keys: MeterKeys,
  heard: (event: MeterEvent) => void,
): Promise<void> {
  const shards = new Map(
    Array.from({ length: SHARDS }, (_, shard) => [keys.channel(shard), shard]),
  );
  redis.on('message', (channel: string, message: string) => {
    const shard = shards.get(channel);
    const event = shard === undefined ? null : decodeEvent(shard, message);
    if (event) heard(event);
  });
  await redis.subscribe(...shards.keys());
}
