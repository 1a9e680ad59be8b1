import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { meterKeys } from '../../core/meter/keys.ts';
import { ALIVE_MS, startAlive } from './alive.ts';
import { createSeats } from './seats.ts';
import { type SocketCounts, startSocketCounts } from './socket-counts.ts';

let redis: Redis;
let keys: ReturnType<typeof meterKeys>;
let stops: (() => Promise<void>)[];
beforeAll(() => {
  redis = new Redis(inject('redisUrl'));
});
afterAll(() => redis.quit());
beforeEach(() => {
  keys = meterKeys(`counts-${randomUUID()}`);
  stops = [];
});
afterEach(async () => {
  for (const stop of stops) await stop();
});

async function startGateway(me: string, redisOf: (key: string) => Redis = () => redis) {
  const alive = await startAlive({ me, redisOf, keys });
  const counts = startSocketCounts({ alive, redisOf, keys });
  stops.push(counts.stop, alive.stop);
  return { alive, counts };
}

async function startTwo(): Promise<[SocketCounts, SocketCounts]> {
  const first = await startGateway('g1');
  const second = await startGateway('g2');
  // Each hears of the other with its next sign of life.
  await soon(() => first.alive.all().length === 2 && second.alive.all().length === 2);
  return [first.counts, second.counts];
}

async function soon(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries += 1) {
    if (tries > 600) throw new Error('It is still not so.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const written = (id: string) => redis.hgetall(keys.sockets('member', id));

describe('sockets of one name', () => {
  it('are limited over all gateways, exactly, also when they come at once', async () => {
    const [here, there] = await startTwo();
    const tries = Array.from({ length: 60 }, (_, i) =>
      (i % 2 ? here : there).enter('member', 'acme|ann', 20),
    );
    const answers = await Promise.all(tries);
    expect(answers.filter(Boolean)).toHaveLength(20);
    expect(await here.enter('member', 'acme|bob', 20)).toBe(true);
  });

  it('that are left make room, on whichever gateway', async () => {
    const [here, there] = await startTwo();
    expect(await here.enter('member', 'a', 1)).toBe(true);
    expect(await there.enter('member', 'a', 1)).toBe(false);
    there.leave('member', 'a');
    here.leave('member', 'a');
    await soon(async () => Object.keys(await written('a')).length === 0);
    expect(await there.enter('member', 'a', 1)).toBe(true);
  });

  it('of a gateway that is gone count no more', async () => {
    const silent = await startAlive({ me: 'killed', redisOf: () => redis, keys });
    const killed = startSocketCounts({ alive: silent, redisOf: () => redis, keys });
    expect(await killed.enter('member', 'a', 1)).toBe(true);
    // No farewell: its count and its last sign stay behind.
    await killed.stop();
    const { alive, counts } = await startGateway('g1');
    expect(alive.all()).toContain('killed');
    expect(await counts.enter('member', 'a', 1)).toBe(false);
    counts.leave('member', 'a');
    await silent.stop();
    await redis.hset(keys.gateways(), 'killed', Date.now() - 2 * ALIVE_MS);
    await soon(() => !alive.all().includes('killed'));
    expect(await counts.enter('member', 'a', 1)).toBe(true);
  });

  it('are written again after Redis has lost them', async () => {
    const [here, there] = await startTwo();
    await here.enter('member', 'a', 2);
    await here.enter('member', 'a', 2);
    await redis.del(keys.sockets('member', 'a'));
    here.writeAgain();
    await soon(async () => (await written('a')).g1 === '2');
    expect(await there.enter('member', 'a', 2)).toBe(false);
  });

  it('leave nothing in Redis, and what is there goes by itself', async () => {
    const { counts } = await startGateway('g1');
    for (let i = 0; i < 200; i++) await counts.enter('member', `m${i}`, 5);
    expect(await redis.pttl(keys.sockets('member', 'm0'))).toBeGreaterThan(0);
    for (let i = 0; i < 200; i++) counts.leave('member', `m${i}`);
    await soon(async () => (await redis.keys(keys.sockets('member', '*'))).length === 0);
  });
});

describe('without Redis', () => {
  it('each gateway holds the limit by itself, and turns nobody else away', async () => {
    const gone = () => {
      throw new Error('nobody can be asked');
    };
    const { counts } = await startGateway('g1', gone);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => counts.enter('address', '203.0.113.7', 3)),
    );
    expect(answers).toEqual([true, true, true, false]);
  });

  it('what was counted meanwhile is written once it is back', async () => {
    let isGone = true;
    const { counts } = await startGateway('g1', () => {
      if (isGone) throw new Error('nobody can be asked');
      return redis;
    });
    await counts.enter('member', 'a', 3);
    isGone = false;
    await soon(async () => (await written('a')).g1 === '1');
  });
});

describe('seats', () => {
  it('of a member and its organization are taken and left together', async () => {
    const { counts } = await startGateway('g1');
    const seats = createSeats(counts, {
      ...{ maxSocketsPerAddress: 9, maxSocketsPerMember: 2, maxSocketsPerOrganization: 3 },
    });
    const take = (user: string) => seats.takeMember('acme', user);
    expect([await take('ann'), await take('ann')]).toEqual([null, null]);
    expect(await take('ann')).toMatch(/member has 2 connections/);
    seats.leaveMember('acme', 'ann');
    expect(await take('bob')).toBeNull();
    expect(await take('cem')).toMatch(/organization has 3 connections/);
    seats.leaveMember('acme', 'cem');
    seats.leaveMember('acme', 'ann');
    expect(await take('cem')).toBeNull();
    expect(await seats.takeMember('other', 'ann')).toBeNull();
  });
});
