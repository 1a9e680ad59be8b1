/**
 * What a test of the rules runs on: the model in memory or the scripts in a real Redis, behind one
 * face. Its clock is frozen and stands where the test put it; its events are taken in order.
 */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { createLog } from '../runtime/log.ts';
import { connectMeter, connectSubscriber } from '../runtime/redis.ts';
import type { Meter, MeterClock } from './commands.ts';
import { decodeEvent } from './decode.ts';
import { meterKeys, SHARDS } from './keys.ts';
import { createMeter } from './meter.ts';
import { createModel } from './model.ts';
import type { MeterEvent } from './rows.ts';
import type { MeterServer } from './servers.ts';

/** The life of the server that a subject pretends to have read on its connection (rule 21). */
export const FIRST_LIFE = 'life-1';

export interface Subject {
  meter: Meter;
  setClock(shard: number, clock: MeterClock): Promise<void>;
  /** what the caller read on its connection: another id than the head's is another server life */
  setRunId(runId: string): void;
  /** a shard is gone, as after FLUSHALL */
  lose(shard: number): Promise<void>;
  /** everything told since the last take */
  takeEvents(): Promise<MeterEvent[]>;
  stop(): Promise<void>;
}

export async function modelSubject(): Promise<Subject> {
  const model = createModel({ clock: Date.now });
  model.setRunId(FIRST_LIFE);
  return {
    meter: model,
    setClock: async (shard, clock) => model.setClock(shard, clock),
    setRunId: (runId) => model.setRunId(runId),
    lose: async (shard) => model.lose(shard),
    takeEvents: async () => model.events.splice(0),
    stop: async () => {},
  };
}

/**
 * On the Redis at `url`, or the cluster whose servers it names, in a namespace of its own, which is
 * emptied when it stops.
 */
export async function redisSubject(url: string): Promise<Subject> {
  const namespace = `rules-${randomBytes(6).toString('hex')}`;
  const markerChannel = `${namespace}:marker`;
  const log = createLog({ name: 'test', level: 'silent' });
  const connection = connectMeter(url, { log });
  const subscriber = connectSubscriber(url, { log });
  await connection.ready();
  let runId = FIRST_LIFE;
  const told: MeterEvent[] = [];
  let markerCame = () => {};

  const shardOfChannel = new Map<string, number>();
  for (let shard = 0; shard < SHARDS; shard++) {
    shardOfChannel.set(meterKeys(namespace).channel(shard), shard);
  }
  subscriber.redis.on('message', (channel: string, message: string) => {
    if (channel === markerChannel) return markerCame();
    const event = decodeEvent(shardOfChannel.get(channel) ?? -1, message);
    if (event === null) throw new Error(`Not an event of the meter: ${message}`);
    told.push(event);
  });
  await subscriber.redis.subscribe(markerChannel, ...shardOfChannel.keys());

  const removeKeys = async (pattern: string) => {
    for (const { redis } of connection.servers()) {
      // One by one: on a cluster a command speaks of keys of one slot.
      await Promise.all((await redis.keys(pattern)).map((key) => redis.del(key)));
    }
  };
  const pretended = new Map<Redis, MeterServer>();
  const pretending = ({ redis }: MeterServer): MeterServer => {
    const server = pretended.get(redis) ?? { redis, runId: () => runId };
    pretended.set(redis, server);
    return server;
  };
  const { isCluster, lookAgain, servers, serverOf } = connection;
  const meter = createMeter(
    {
      ...{ isCluster, lookAgain, servers },
      serverOf(key) {
        const server = serverOf(key);
        return server && pretending(server);
      },
    },
    { namespace },
  );
  return {
    meter,
    setClock: (shard, clock) => meter.setClock(shard, clock),
    setRunId: (id) => {
      runId = id;
    },
    lose: (shard) => removeKeys(`${namespace}:{${shard}}:*`),
    takeEvents: async () => {
      // What one server tells is heard in its order: after the markers of all, all was heard.
      const servers = connection.servers();
      let missing = servers.length;
      const heard = new Promise<void>((resolve) => {
        markerCame = () => {
          missing -= 1;
          if (missing === 0) resolve();
        };
      });
      await Promise.all(servers.map(({ redis }) => redis.publish(markerChannel, '')));
      await heard;
      return told.splice(0);
    },
    stop: async () => {
      await removeKeys(`${namespace}:*`);
      await Promise.all([connection.stop(), subscriber.stop()]);
    },
  };
}
