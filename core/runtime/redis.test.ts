import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { eventually } from '../../local/test-eventually.ts';
import { startTestRedis } from '../../local/test-redis.ts';
import { createLog } from './log.ts';
import { connectServer } from './meter-server.ts';
import { connectMeter, connectSubscriber } from './redis.ts';
import { checkRedisSettings } from './redis-settings.ts';
import type { Stoppable } from './stop.ts';

const log = createLog({ name: 'test', level: 'silent' });
const opened: Stoppable[] = [];
function keep<T extends Stoppable>(part: T): T {
  opened.push(part);
  return part;
}
afterEach(async () => {
  for (const part of opened.splice(0).reverse()) await part.stop();
});

/** A hop between us and Redis that can be told to swallow answers or to cut. */
async function startProxy(target: URL) {
  const sockets = new Set<Socket>();
  let deaf = false;
  const server = createServer((client) => {
    const upstream = dial(Number(target.port), target.hostname);
    sockets.add(client).add(upstream);
    client.on('error', () => {}).on('close', () => upstream.destroy());
    upstream.on('error', () => {}).on('close', () => client.destroy());
    client.pipe(upstream);
    upstream.on('data', (data) => deaf || client.write(data));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    url: `redis://127.0.0.1:${port}`,
    swallowAnswers(yes: boolean) {
      deaf = yes;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    async stop() {
      this.cut();
      server.close();
      await once(server, 'close');
    },
  };
}

describe("the meter's connection", () => {
  it('does not send a command again whose answer was lost', async () => {
    const proxy = keep(await startProxy(new URL(inject('redisUrl'))));
    const meter = keep(connectServer(proxy.url, { log }));
    await meter.ready();
    const key = `runtime-test:${process.pid}:lost-answer`;
    await meter.redis.del(key);

    proxy.swallowAnswers(true);
    const lost = expect(meter.redis.incr(key)).rejects.toThrow();
    const direct = keep(connectServer(inject('redisUrl'), { log }));
    await direct.ready();
    await eventually(async () => expect(await direct.redis.get(key)).toBe('1'));
    proxy.swallowAnswers(false);
    proxy.cut();
    await lost;
    await meter.ready();
    await meter.redis.ping();
    expect(await direct.redis.get(key)).toBe('1');
    await direct.redis.del(key);
  });

  it('fails at once while there is no connection, and has no run id then', async () => {
    const server = await startTestRedis();
    const meter = keep(connectServer(server.url, { log }));
    await meter.ready();
    expect(meter.runId()).toMatch(/^[0-9a-f]{40}$/);
    const closed = once(meter.redis, 'close');
    await server.stop();
    await closed;
    expect(meter.runId()).toBeNull();
    await expect(meter.redis.get('x')).rejects.toThrow();
  });

  it('tells the new run id after Redis was restarted', async () => {
    const first = await startTestRedis();
    const meter = keep(connectServer(first.url, { log }));
    const told: string[] = [];
    meter.onRunId((runId) => told.push(runId));
    await meter.ready();
    await first.stop();
    const second = keep(await startTestRedis({ dataDir: first.dataDir, port: first.port }));
    await vi.waitFor(() => expect(told).toHaveLength(2), { timeout: 10_000 });
    expect(told[1]).not.toBe(told[0]);
    expect(meter.runId()).toBe(told[1]);
    expect(second.port).toBe(first.port);
  });

  it('says where it looked when nobody answers', async () => {
    const meter = keep(connectServer('redis://127.0.0.1:1', { log }));
    await expect(meter.ready(200)).rejects.toThrow('Redis at 127.0.0.1:1 did not answer');
  });
});

describe('a subscriber', () => {
  it('hears again after its connection was cut', async () => {
    const proxy = keep(await startProxy(new URL(inject('redisUrl'))));
    const subscriber = keep(connectSubscriber(proxy.url, { log }));
    const publisher = keep(connectServer(inject('redisUrl'), { log }));
    await publisher.ready();
    const heard: string[] = [];
    subscriber.redis.on('message', (_channel, message) => heard.push(message));
    const channel = `runtime-test:${process.pid}`;
    await subscriber.redis.subscribe(channel);
    await publisher.redis.publish(channel, 'before');
    await eventually(() => expect(heard).toEqual(['before']));
    proxy.cut();
    await vi.waitFor(
      async () => expect(await publisher.redis.publish(channel, 'after')).toBeGreaterThan(0),
      { timeout: 10_000 },
    );
    await eventually(() => expect(heard).toEqual(['before', 'after']));
  });
});

describe('the settings of Redis', () => {
  it('are accepted when nothing can be dropped or forgotten', async () => {
    const meter = keep(connectMeter(inject('redisUrl'), { log }));
    await meter.ready();
    expect(await checkRedisSettings(meter, { development: false })).toEqual([]);
  });

  it('are refused with the sentence that puts them right, or accepted for development', async () => {
    const server = keep(await startTestRedis({ appendOnly: false }));
    const meter = keep(connectMeter(server.url, { log }));
    await meter.ready();
    await meter.servers()[0]!.redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const refused = checkRedisSettings(meter, { development: false });
    await expect(refused).rejects.toThrow('maxmemory-policy is allkeys-lru');
    await expect(refused).rejects.toThrow('Set "appendonly yes"');
    expect(await checkRedisSettings(meter, { development: true })).toHaveLength(2);
  });
});
