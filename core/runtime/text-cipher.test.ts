import { describe, expect, it } from 'vitest';
import { createTextCipher } from './text-cipher.ts';

const [OLD, NEW] = ['o'.repeat(32), 'n'.repeat(32)];
const PLACE = ['acme', 's1'];
const TEXT = '{"room":"7 – Größe"}';

describe('a text at rest', () => {
  it('is not readable, and comes back where it was put', () => {
    const cipher = createTextCipher([NEW]);
    const value = cipher.seal(TEXT, PLACE);
    expect(value).toMatch(/^aes1:[0-9a-f]{8}:[\w-]+$/);
    expect(Buffer.from(value.split(':')[2]!, 'base64url').toString()).not.toContain('room');
    expect(cipher.open(value, PLACE)).toEqual({ status: 'ok', text: TEXT });
    expect(cipher.seal(TEXT, PLACE)).not.toBe(value);
  });

  it('is of no use at another place', () => {
    const cipher = createTextCipher([NEW]);
    const value = cipher.seal(TEXT, PLACE);
    for (const place of [['acme', 's2'], ['other', 's1'], ['acmes', '1'], []]) {
      expect(cipher.open(value, place)).toEqual({ status: 'broken' });
    }
  });

  it('is found out when a single bit of it has changed, or some of it is missing', () => {
    const cipher = createTextCipher([NEW]);
    const [form, key, data] = cipher.seal(TEXT, PLACE).split(':');
    const bytes = Buffer.from(data!, 'base64url');
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i]! ^= 1;
      const value = `${form}:${key}:${changed.toString('base64url')}`;
      expect(cipher.open(value, PLACE)).toEqual({ status: 'broken' });
      const cut = `${form}:${key}:${bytes.subarray(0, i).toString('base64url')}`;
      expect(cipher.open(cut, PLACE)).toEqual({ status: 'broken' });
    }
    expect(cipher.open(`${form}:${key}`, PLACE)).toEqual({ status: 'broken' });
  });

  it('is read with any of the keys and written with the first', () => {
    const value = createTextCipher([OLD]).seal(TEXT, PLACE);
    const both = createTextCipher([NEW, OLD]);
    expect(both.open(value, PLACE)).toEqual({ status: 'ok', text: TEXT });
    expect(both.isOutdated(value)).toBe(true);
    const anew = both.seal(TEXT, PLACE);
    expect(both.isOutdated(anew)).toBe(false);
    expect(createTextCipher([NEW]).open(anew, PLACE)).toEqual({ status: 'ok', text: TEXT });
  });

  it('whose key is gone names the key', () => {
    const value = createTextCipher([OLD]).seal(TEXT, PLACE);
    const name = value.split(':')[1];
    expect(createTextCipher([NEW]).open(value, PLACE)).toEqual({ status: 'keyMissing', key: name });
    expect(createTextCipher([]).open(value, PLACE)).toEqual({ status: 'keyMissing', key: name });
  });

  it('stays as it is where there is no key, and is still read where there is one now', () => {
    const none = createTextCipher([]);
    expect(none.seal(TEXT, PLACE)).toBe(TEXT);
    expect(none.isOutdated(TEXT)).toBe(false);
    const cipher = createTextCipher([NEW]);
    expect(cipher.open(TEXT, PLACE)).toEqual({ status: 'ok', text: TEXT });
    expect(cipher.isOutdated(TEXT)).toBe(true);
  });
});
