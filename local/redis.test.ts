import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { FolderInUse } from './claim.ts';
import { startRedis } from './redis.ts';
import { installCommand } from './redis-server.ts';

const folder = () => join(inject('runFolder'), `redis-${randomBytes(4).toString('hex')}`);

describe('a local Redis', () => {
  it('keeps its data over a stop and over a kill -9', async () => {
    const dataDir = folder();
    const first = await startRedis({ dataDir });
    const before = new Redis(first.url);
    await before.set('seconds', '42');
    await before.quit();
    await first.stop();

    const second = await startRedis({ dataDir });
    const between = new Redis(second.url);
    expect(await between.incr('seconds')).toBe(43);
    between.disconnect();
    process.kill(second.pid, 'SIGKILL');
    expect(await second.ended).toContain('Redis was ended by SIGKILL');
    await second.stop();

    const third = await startRedis({ dataDir });
    const after = new Redis(third.url);
    expect(await after.get('seconds')).toBe('43');
    await after.quit();
    await third.stop();
  });

  it('never drops keys and writes to disk, on loopback alone', async () => {
    const redis = new Redis(inject('redisUrl'));
    expect(await redis.config('GET', 'maxmemory-policy')).toContain('noeviction');
    expect(await redis.config('GET', 'appendonly')).toContain('yes');
    expect(await redis.config('GET', 'bind')).toContain('127.0.0.1');
    expect(await redis.config('GET', 'save')).toEqual(['save', '']);
    await redis.quit();
  });

  it('refuses a folder that a living process uses, and says which', async () => {
    const dataDir = folder();
    const server = await startRedis({ dataDir });
    const second = startRedis({ dataDir });
    await expect(second).rejects.toThrow(FolderInUse);
    await expect(second).rejects.toThrow(`process ${process.pid}`);
    await server.stop();
  });

  it('says why it did not start on a port that is taken', async () => {
    const dataDir = folder();
    const taken = Number(new URL(inject('redisUrl')).port);
    await expect(startRedis({ dataDir, port: taken })).rejects.toThrow(/Address already in use/);
  });

  it('names the command of this system when there is none to install from', () => {
    expect(installCommand((command) => command === 'brew')).toBe('brew install redis');
    expect(installCommand((command) => command === 'apt-get')).toContain('apt-get install');
    expect(installCommand(() => false)).not.toBe('');
  });
});
