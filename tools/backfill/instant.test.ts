import { describe, expect, it } from 'vitest';
import { readAmount } from './amount.ts';
import { createInstants } from './instant.ts';

const at = (text: string, zone = 'UTC') => {
  const read = createInstants(zone)(text);
  return 'at' in read ? new Date(read.at).toISOString() : read.problem;
};

describe('a time of a source', () => {
  it('with an offset is what it says, whatever the zone', () => {
    const noon = '2026-05-01T12:00:00.000Z';
    for (const text of [
      ...['2026-05-01T12:00:00Z', '2026-05-01 12:00:00+00', '2026-05-01 14:00:00+02'],
      ...['2026-05-01T17:30:00+05:30', '2026-05-01 08:00:00.000-0400', '1777636800'],
      ...['1777636800000', '2026-05-01 12:00:00 UTC', '2026-05-01T12:00:00.000000Z'],
    ]) {
      expect([text, at(text, 'Asia/Tokyo')]).toEqual([text, noon]);
    }
  });

  it('without one is local time of the zone', () => {
    expect(at('2026-05-01 14:00:00', 'Europe/Berlin')).toBe('2026-05-01T12:00:00.000Z');
    expect(at('2026-01-01T14:00', 'Europe/Berlin')).toBe('2026-01-01T13:00:00.000Z');
    expect(at('2026-05-01', 'America/New_York')).toBe('2026-05-01T04:00:00.000Z');
    expect(at('2026-05-01 14:00:00.25')).toBe('2026-05-01T14:00:00.250Z');
  });

  it('that clocks showed twice is the first, and said to be; one that they skipped is the later', () => {
    const read = createInstants('Europe/Berlin');
    const twice = read('2026-10-25 02:30:00');
    expect(twice).toEqual({ at: Date.UTC(2026, 9, 25, 0, 30), isAmbiguous: true });
    expect(read('2026-10-25 03:30:00')).toMatchObject({ isAmbiguous: false });
    expect(at('2026-03-29 02:30:00', 'Europe/Berlin')).toBe('2026-03-29T01:30:00.000Z');
  });

  it('that is none is refused with what it was', () => {
    for (const text of [
      ...['', 'yesterday', '2026-02-31', '2026-02-30 10:00:00Z', '2026-13-01', '5/1/2026 10:00'],
      ...['2026-05-01 25:00:00', '2026-05-01 10:61:00', '0', '12', '2026'],
    ]) {
      expect([text, createInstants('UTC')(text)]).toEqual([text, { problem: expect.any(String) }]);
    }
  });
});

describe('a duration of a source', () => {
  it('becomes whole milliseconds, or a sentence', () => {
    expect(readAmount('59.9994', 'seconds')).toEqual({ ms: 59_999 });
    expect(readAmount('1.5', 'minutes')).toEqual({ ms: 90_000 });
    expect(readAmount('-1', 'ms')).toMatchObject({ isNegative: true });
    for (const text of ['', 'many', '1,5', 'Infinity', '1e99', '0x10']) {
      expect(readAmount(text, 'seconds')).toMatchObject({ problem: expect.any(String) });
    }
  });
});
