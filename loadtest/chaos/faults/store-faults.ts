/** Redis, Postgres and the queue in it: killed, emptied, put back to an earlier day, failed over. */
import type { Stage } from '../stage/stage.ts';
import { type Fault, sleep, span } from './fault.ts';

const LONGEST_ABSENCE_MS = 2_000;
const QUEUE_KEYS = '{bull}:*';
const KEYS_AT_ONCE = 500;

const redisKilled: Fault['aim'] = (stage, dice) => {
  const awayMs = span(dice, 0, LONGEST_ABSENCE_MS);
  return {
    ...{ target: 'redis', kills: 1, locks: ['redis'] },
    async strike() {
      await stage.redis.kill();
      await sleep(awayMs);
      await stage.redis.start();
    },
  };
};

const redisOlder: Fault['aim'] = (stage, dice) => {
  const ageMs = span(dice, 300, 4_000);
  return {
    ...{ target: 'redis', kills: 1, locks: ['redis'] },
    async strike() {
      await stage.redis.backUp();
      await sleep(ageMs);
      await stage.redis.restore();
    },
  };
};

const redisEmptied: Fault['aim'] = (stage) => ({
  ...{ target: 'redis', kills: 0, locks: ['redis'] },
  strike: () => stage.redis.empty(),
});

const redisFrozen: Fault['aim'] = (stage, dice) => {
  const lastsMs = span(dice, 200, 4_000);
  return {
    ...{ target: 'redis', kills: 0, locks: ['redis'] },
    async strike() {
      stage.redis.freeze();
      await sleep(lastsMs);
      stage.redis.thaw();
    },
  };
};

/**
 * A replica that lags takes over, and one gateway goes on with the old primary for a while: two that
 * both think they count.
 */
const redisFailedOver: Fault['aim'] = (stage, dice) => {
  const lagMs = span(dice, 100, 2_500);
  const splitMs = dice.chance(0.5) ? span(dice, 200, 3_000) : 0;
  const deceived = dice.pick(stage.gateways);
  return {
    ...{ target: 'redis', kills: 1, locks: ['redis', `${deceived.name} to redis`] },
    async strike() {
      const { oldPort, retire } = await stage.redis.failOver(lagMs);
      stage.leadToRedis();
      if (splitMs > 0) deceived.toRedis.lead(oldPort);
      for (const { toRedis } of [...stage.gateways, ...stage.workers]) {
        if (splitMs === 0 || toRedis !== deceived.toRedis) toRedis.cut();
      }
      await sleep(splitMs);
      await retire();
      stage.leadToRedis();
      deceived.toRedis.cut();
    },
  };
};

const postgresKilled: Fault['aim'] = (stage, dice) => {
  const awayMs = span(dice, 0, LONGEST_ABSENCE_MS);
  return {
    ...{ target: 'postgres', kills: 1, locks: ['postgres'] },
    async strike() {
      await stage.postgres.kill();
      await sleep(awayMs);
      await stage.postgres.start();
    },
  };
};

async function queueKeys(stage: Stage): Promise<string[]> {
  const found = await stage.redis.ask(async (redis) => {
    const keys: string[] = [];
    for (let cursor = '0'; ; ) {
      const [next, some] = await redis.scan(cursor, 'MATCH', QUEUE_KEYS, 'COUNT', KEYS_AT_ONCE);
      keys.push(...some);
      if (next === '0') return keys;
      cursor = next;
    }
  });
  return found ?? [];
}

const queueWiped: Fault['aim'] = (stage) => ({
  ...{ target: 'redis', kills: 0, locks: ['redis'] },
  async strike() {
    const keys = await queueKeys(stage);
    if (keys.length > 0) await stage.redis.ask((redis) => redis.del(...keys));
  },
});

/** Jobs that nobody can do, before those that matter. */
const queuePoisoned: Fault['aim'] = (stage, dice) => {
  const queue = dice.pick(['settle', 'recover']);
  const id = `poison-${dice.below(1e9)}`;
  return {
    ...{ target: queue, kills: 0, locks: ['redis'] },
    async strike() {
      await stage.redis.ask(async (redis) => {
        await redis.hset(`{bull}:${queue}:${id}`, {
          name: 'poison',
          data: '{"shard":"x"',
          opts: '{}',
        });
        await redis.rpush(`{bull}:${queue}:wait`, id);
      });
    },
  };
};

const bothAway: Fault['aim'] = (stage, dice) => {
  const lastsMs = span(dice, 500, 5_000);
  const actors = [...stage.gateways, ...stage.workers];
  return {
    ...{ target: 'redis and postgres', kills: 0, locks: ['redis', 'postgres', 'wires'] },
    async strike() {
      for (const { toRedis, toPostgres } of actors) {
        toRedis.set('refuse');
        toPostgres.set('refuse');
      }
      await sleep(lastsMs);
      for (const { toRedis, toPostgres } of actors) {
        toRedis.set('pass');
        toPostgres.set('pass');
      }
    },
  };
};

export const STORE_FAULTS: readonly Fault[] = [
  { name: 'Redis killed', weight: 4, touches: ['redis'], aim: redisKilled },
  {
    name: 'Redis back with older data',
    weight: 3,
    touches: ['redis'],
    forgets: true,
    aim: redisOlder,
  },
  { name: 'Redis emptied', weight: 3, touches: ['redis'], forgets: true, aim: redisEmptied },
  { name: 'Redis frozen', weight: 2, touches: ['redis'], aim: redisFrozen },
  {
    name: 'lagging replica promoted',
    weight: 2,
    touches: ['redis'],
    forgets: true,
    aim: redisFailedOver,
  },
  { name: 'Postgres killed', weight: 4, touches: ['postgres'], aim: postgresKilled },
  { name: 'both stores away', weight: 1, touches: ['redis', 'postgres'], aim: bothAway },
  { name: 'queue wiped', weight: 2, touches: ['queue'], aim: queueWiped },
  { name: 'job poisoned', weight: 1, touches: ['queue'], aim: queuePoisoned },
];
