import { createHmac, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { createMac } from './mac.ts';

it.each([0, 1, 15, 64, 300, 1_024, 5_000])('is the HMAC-SHA256 of a text of %i', (length) => {
  for (const key of [randomBytes(32), randomBytes(64), randomBytes(100)]) {
    const mac = createMac(key);
    for (const text of ['a'.repeat(length), 'é€😀'.repeat(length)]) {
      const known = createHmac('sha256', key).update(text).digest().subarray(0, 16);
      expect(mac.of(text)).toBe(known.toString('base64url'));
      expect(mac.fits(text, mac.of(text))).toBe(true);
      expect(mac.fits(`${text}.`, mac.of(text))).toBe(false);
    }
  }
});

it('takes no shorter one for it', () => {
  const mac = createMac(randomBytes(32));
  for (const other of ['', mac.of('a').slice(0, 20), `${mac.of('a')}AA`, mac.of('b')]) {
    expect(mac.fits('a', other)).toBe(false);
  }
});
