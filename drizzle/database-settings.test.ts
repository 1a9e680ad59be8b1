/** What can't be had here to be tried: an old server, a standby. The rest is tried on processes. */
import { expect, it } from 'vitest';
import { type DatabaseState, judge } from './database-settings.ts';

const GOOD: DatabaseState = {
  ...{
    role: 'taximeter_worker',
    isAbove: false,
    isStandby: false,
    maySettle: true,
    isUnbound: true,
  },
  ...{ version: '18.4', versionNumber: 180_004, applied: ['0001'] },
  ...{ fsync: 'on', fullPageWrites: 'on', synchronousCommit: 'on' },
};
const sentences = (changes: Partial<DatabaseState>) =>
  judge({ ...GOOD, ...changes }, 'worker', ['0001']).map(({ what, fix }) => `${what} ${fix}`);

it('finds nothing where all is well, nor where a later version has migrated', () => {
  expect(sentences({})).toEqual([]);
  expect(sentences({ applied: ['0001', '9999'], synchronousCommit: 'remote_apply' })).toEqual([]);
});

it.each<[string, Partial<DatabaseState>, RegExp]>([
  ['an old server', { version: '13.9', versionNumber: 130_009 }, /version 13\.9\. Use 14 or newer/],
  ['a standby', { isStandby: true }, /standby.* Name its primary in DATABASE_URL/],
  ['torn pages', { fullPageWrites: 'off' }, /Set "full_page_writes = on"/],
  ['a table of steps that is not there', { applied: null }, /1 of its steps/],
])('finds %s', (_what, changes, words) => {
  expect(sentences(changes)).toEqual([expect.stringMatching(words)]);
});
