import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { downloadRedis, libraryFolders } from './redis-download.ts';
import { isOnPath } from './redis-server.ts';

describe.skipIf(!isOnPath('apt-get') || !isOnPath('dpkg'))('the Redis of the distribution', () => {
  it('is unpacked, with its libraries, in place of what was there and does not run', async () => {
    const target = join(inject('runFolder'), `tools-${randomBytes(4).toString('hex')}`, 'redis');
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, 'left-by-an-interrupted-run'), '');
    try {
      await downloadRedis(target);
    } catch (error) {
      // Without the network there is nothing to try but that it is said in so many words.
      expect(String(error)).toContain('needs the network');
      return;
    }
    const server = join(target, 'usr/bin/redis-server');
    const env = { ...process.env, LD_LIBRARY_PATH: libraryFolders(target).join(':') };
    expect(execFileSync(server, ['--version'], { env, encoding: 'utf8' })).toContain('v=');
  });
});
