/**
 * Sockets counted over all gateways: each process writes how many it has of a name (an address, a
 * member, an organization), and one more is let in by the sum over all that live. What is written is
 * always the whole number, so that nothing lost or repeated makes it wrong for long.
 *
 * Redis away is no reason to turn anybody away: then each process holds the limit by itself.
 */
import type { Redis } from 'ioredis';
import type { MeterKeys } from '../../core/meter/keys.ts';
import type { Alive } from './alive.ts';
import { scriptOf } from './script.ts';

/** No money is counted here: a key may go. Counts are written again long before. */
const KEY_TTL_MS = 3_600_000;
const REWRITE_EVERY_MS = 600_000;
const FLUSH_EVERY_MS = 200;
/** A flush is no burst: a gateway that lost its Redis has all of its names to write again. */
const MAX_FLUSHED = 500;

/** ARGV: 1 who, 2 its new count, 3 limit, 4 ttl, 5… others alive. Returns 1, or 0: full, unwritten. */
const ENTER = scriptOf(`
local sum = tonumber(ARGV[2])
if #ARGV > 4 then
  local counts = redis.call('HMGET', KEYS[1], unpack(ARGV, 5))
  for i = 1, #counts do sum = sum + (tonumber(counts[i] or 0) or 0) end
end
if sum > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`);

export type CountedKind = 'address' | 'member' | 'organization';

export interface SocketCounts {
  /**
   * Counts one more. False: it is one too many; whoever asked closes it, and then `leave`s all the
   * same. Never rejects.
   */
  enter(kind: CountedKind, id: string, limit: number): Promise<boolean>;
  leave(kind: CountedKind, id: string): void;
  /** Redis may have lost them. */
  writeAgain(): void;
  stop(): Promise<void>;
}

export interface SocketCountsOptions {
  alive: Alive;
  redisOf(key: string): Redis;
  keys: Pick<MeterKeys, 'sockets'>;
}

export function startSocketCounts({ alive, redisOf, keys }: SocketCountsOptions): SocketCounts {
  const own = new Map<string, number>();
  /** keys whose count in Redis may be another one than ours */
  const dirty = new Set<string>();
  const { me } = alive;

  async function write(key: string): Promise<void> {
    const count = own.get(key) ?? 0;
    dirty.delete(key);
    try {
      const redis = redisOf(key);
      if (count === 0) await redis.hdel(key, me);
      else await redis.multi().hset(key, me, count).pexpire(key, KEY_TTL_MS).exec();
    } catch {
      dirty.add(key);
    }
  }

  function flush(): void {
    let left = MAX_FLUSHED;
    for (const key of dirty) {
      if (left-- === 0) break;
      void write(key);
    }
  }

  function writeAgain(): void {
    for (const key of own.keys()) dirty.add(key);
  }

  const flushing = setInterval(flush, FLUSH_EVERY_MS);
  const rewriting = setInterval(writeAgain, REWRITE_EVERY_MS);
  return {
    async enter(kind, id, limit) {
      const key = keys.sockets(kind, id);
      const mine = (own.get(key) ?? 0) + 1;
      own.set(key, mine);
      if (mine > limit) return false;
      const others = alive.all().filter((it) => it !== me);
      try {
        return (await ENTER(redisOf(key), key, [me, mine, limit, KEY_TTL_MS, ...others])) === 1;
      } catch {
        dirty.add(key);
        return true;
      }
    },
    leave(kind, id) {
      const key = keys.sockets(kind, id);
      const left = (own.get(key) ?? 1) - 1;
      if (left === 0) own.delete(key);
      else own.set(key, left);
      dirty.add(key);
    },
    writeAgain,
    async stop() {
      clearInterval(flushing);
      clearInterval(rewriting);
    },
  };
}
