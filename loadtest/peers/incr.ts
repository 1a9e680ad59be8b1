/**
 * `INCR`, unpipelined: each connection asks and waits for its answer before it asks again, over many
 * connections at once. It keeps Redis as busy as such a client can: an idle Redis would pay for
 * being woken, too, and look dearer.
 */
import { Redis } from 'ioredis';
import { readSettings, tellCount, tellPort } from './peer.ts';

const CONNECTIONS = 50;
const KEYS = 2_000;

const { redisUrl } = readSettings();
let done = 0;

async function keepAsking(redis: Redis): Promise<void> {
  for (;;) {
    await redis.incr(`incr:${done % KEYS}`);
    done += 1;
  }
}

const connections = Array.from({ length: CONNECTIONS }, () => new Redis(redisUrl));
await Promise.all(connections.map((redis) => redis.ping()));
for (const redis of connections) void keepAsking(redis);
tellCount(() => done);
tellPort(0);
