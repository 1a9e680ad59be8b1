/** What can't be had here to be tried: an old server, a full disk. The rest is tried on processes. */
import { expect, it } from 'vitest';
import { judgeRedis } from './redis-settings.ts';

const info = (changes: Record<string, string> = {}) =>
  Object.entries({
    redis_version: '6.2.0',
    role: 'master',
    maxmemory_policy: 'noeviction',
    aof_enabled: '1',
    aof_last_write_status: 'ok',
    ...changes,
  })
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('');
const sentences = (changes: Record<string, string>) =>
  judgeRedis(info(changes), null).map(({ what, fix }) => `${what} ${fix}`);

it('finds nothing where all is well, also where CONFIG is refused', () => {
  expect(judgeRedis(info(), null)).toEqual([]);
  expect(judgeRedis(info({ redis_version: '10.0.1' }), 'always')).toEqual([]);
});

it.each<[string, Record<string, string>, RegExp]>([
  ['an old server', { redis_version: '6.0.16' }, /version 6\.0\.16\. Use 6\.2 or newer/],
  ['a file it can not write', { aof_last_write_status: 'err' }, /Give its disk room/],
])('finds %s', (_what, changes, words) => {
  expect(sentences(changes)).toEqual([expect.stringMatching(words)]);
});
