import { describe, expect, it } from 'vitest';
import { projectRoot } from './places.ts';
import { diskShortage, explain } from './trouble.ts';

describe('trouble', () => {
  it('tells a disk that is too full, with the figures', () => {
    expect(diskShortage(projectRoot(), 1)).toBeNull();
    expect(diskShortage(projectRoot(), 2 ** 60)).toMatch(
      /nearly full \(\d+ MB free, \d+ MB needed\)/,
    );
  });

  it('is one sentence where we know what it is, and never empty', () => {
    const full = Object.assign(new Error('write'), { code: 'ENOSPC' });
    expect(explain(full, '/data')).toBe(
      'The disk of /data is full: free some space, or choose another folder with --data.',
    );
    expect(explain(new Error('PANIC: could not write: No space left on device'), '/data')).toMatch(
      /is full/,
    );
    const closed = Object.assign(new Error('open'), { code: 'EACCES', path: '/data/claim.json' });
    expect(explain(closed, '/data')).toContain("/data/claim.json can't be written");
    expect(explain(Object.assign(new Error(''), { code: 'ECONNREFUSED' }), '/d')).toBe(
      'ECONNREFUSED',
    );
    expect(explain(undefined, '/d')).not.toBe('');
  });
});
