import { once } from 'node:events';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startTestCluster, type TestCluster } from '../../local/test-cluster.ts';
import { slotOf } from './hash-slot.ts';
import { createLog } from './log.ts';
import type { MeterConnection } from './meter-server.ts';
import { connectMeter, connectSubscriber } from './redis.ts';
import { checkRedisSettings } from './redis-settings.ts';

const log = createLog({ name: 'test', level: 'silent' });
const PATIENCE = { timeout: 20_000 };
vi.setConfig({ testTimeout: 90_000 });

let cluster: TestCluster;
let meter: MeterConnection;
beforeAll(async () => {
  cluster = await startTestCluster();
  // One is enough to find the others.
  meter = connectMeter(`${cluster.servers[2]!.url},`, { log });
  await meter.ready();
});
afterAll(async () => {
  await meter?.stop();
  await cluster?.stop();
});

const keyIn = (slot: number) => {
  for (let i = 0; ; i++) if (slotOf(`{${i}}`) === slot) return `{${i}}`;
};

it('counts slots as Redis does', async () => {
  const { redis } = meter.servers()[0]!;
  for (const key of ['tm:{0}:head', 'tm:{63}:head', 'a{}{b}', '{', '}{', 'x{a}b{c}', 'é', '']) {
    expect(slotOf(key), key).toBe(await redis.cluster('KEYSLOT', key));
  }
});

it('finds every server of a cluster from one, and asks each for its own life', async () => {
  expect(meter.servers()).toHaveLength(3);
  expect(new Set(meter.servers().map((server) => server.runId())).size).toBe(3);
  for (const { slots } of cluster.servers) {
    for (const slot of slots!) await meter.redisOf(keyIn(slot)).set(keyIn(slot), '1');
  }
});

it('is refused as one server, and one server as a cluster', async () => {
  const alone = connectMeter(cluster.servers[0]!.url, { log });
  await alone.ready();
  const checked = checkRedisSettings(alone, { development: true });
  await expect(checked).rejects.toThrow('This Redis is one of a cluster');
  await alone.stop();
  expect(await checkRedisSettings(meter, { development: false })).toEqual([]);
  const nobody = connectMeter('redis://127.0.0.1:1,redis://127.0.0.1:2', { log });
  await expect(nobody.ready(300)).rejects.toThrow(
    'No cluster of Redis answered at 127.0.0.1:1, 127.0.0.1:2',
  );
  await nobody.stop();
});

it('follows a slot to the server it was moved to', async () => {
  const [from, to] = cluster.servers;
  const key = keyIn(from!.slots![0]);
  await cluster.move(from!.slots![0], from!, to!);
  await expect(meter.redisOf(key).get(key)).rejects.toThrow(/^MOVED/);
  meter.lookAgain();
  await vi.waitFor(async () => expect(await meter.redisOf(key).get(key)).toBe('1'), PATIENCE);
});

it('has no life of a server that is gone, and the new one of a server that is back', async () => {
  const [, , server] = cluster.servers;
  const key = keyIn(server!.slots![0]);
  const life = meter.serverOf(key)!.runId();
  const others = meter.servers().filter((it) => it !== meter.serverOf(key));
  const closed = once(meter.redisOf(key), 'close');
  await cluster.kill(server!);
  await closed;
  expect(meter.serverOf(key)!.runId()).toBeNull();
  expect(others.every((it) => it.runId() !== null)).toBe(true);
  await expect(meter.redisOf(key).get(key)).rejects.toThrow();
  await cluster.restart(server!);
  await vi.waitFor(() => expect(meter.serverOf(key)!.runId()).toMatch(/^\w{40}$/), PATIENCE);
  expect(meter.serverOf(key)!.runId()).not.toBe(life);
});

it('says so when a replica that it knew takes over, since gateways have to tell it all', async () => {
  const replicated = await startTestCluster({ hasReplicas: true });
  const connection = connectMeter(replicated.url, { log });
  const [primary, , , replica] = replicated.servers;
  await connection.ready();
  const key = keyIn(primary!.slots![0]);
  const told: string[] = [];
  connection.onRunId((runId) => told.push(runId));
  await replicated.kill(primary!);
  await replicated.leads(replica!);
  await vi.waitFor(
    () => expect(connection.redisOf(key).options.port).toBe(replica!.port),
    PATIENCE,
  );
  expect(told).toContain(connection.serverOf(key)!.runId());
  await connection.stop();
  await replicated.stop();
});

it('hears what any server is told, also after the one it listened to was killed', async () => {
  const subscriber = connectSubscriber(cluster.url, { log });
  const heard = new Set<string>();
  subscriber.redis.on('message', (_channel, message) => heard.add(message));
  await subscriber.redis.subscribe('news');
  const tell = async (what: string) => {
    for (const [i, { redis }] of meter.servers().entries()) {
      await redis.publish('news', `${what} ${i}`).catch(() => {});
    }
  };
  await tell('before');
  await vi.waitFor(() => expect(heard.size).toBe(3), PATIENCE);
  for (const server of [...cluster.servers]) {
    await cluster.kill(server);
    await cluster.restart(server);
    await cluster.isWhole();
  }
  await vi.waitFor(async () => {
    heard.clear();
    await tell('after');
    await vi.waitFor(() => expect(heard.size).toBe(3));
  }, PATIENCE);
  await subscriber.stop();
});
