/** HMAC-SHA256 (RFC 2104) of short texts, cut to 16 bytes. */
import { hash, timingSafeEqual } from 'node:crypto';

const BLOCK_BYTES = 64;
const KEPT_BYTES = 16;

export interface Mac {
  /** 22 characters of base64url */
  of(text: string): string;
  /** in a time that does not tell how much of it is right */
  fits(text: string, mac: string): boolean;
}

/**
 * By its definition, over two one-shot digests: `createHmac` costs twice as much (2.0 against 1.1 µs)
 * and leaves the garbage collector a native object each; every tick carries one.
 */
export function createMac(key: Uint8Array): Mac {
  const short = key.length > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key;
  const padded = (pad: number) => {
    const block = Buffer.alloc(BLOCK_BYTES, pad);
    short.forEach((byte, i) => {
      block[i] = byte ^ pad;
    });
    return block;
  };
  // After each pad room for what is hashed with it; a longer text makes the room larger.
  let inner = Buffer.concat([padded(0x36), Buffer.alloc(1_024)]);
  const outer = Buffer.concat([padded(0x5c), Buffer.alloc(32)]);
  /** Of its first bytes, by their number: making one costs 2 µs, and texts have few lengths. */
  let views: Buffer[] = [];

  function digest(text: string): Buffer {
    const most = BLOCK_BYTES + text.length * 3;
    if (most > inner.length) {
      inner = Buffer.concat([inner.subarray(0, BLOCK_BYTES)], most);
      views = [];
    }
    const end = BLOCK_BYTES + inner.write(text, BLOCK_BYTES);
    views[end] ??= inner.subarray(0, end);
    hash('sha256', views[end], 'buffer').copy(outer, BLOCK_BYTES);
    return hash('sha256', outer, 'buffer');
  }

  return {
    of: (text) => digest(text).toString('base64url', 0, KEPT_BYTES),
    fits(text, mac) {
      const given = Buffer.from(mac, 'base64url');
      return (
        given.length === KEPT_BYTES && timingSafeEqual(given, digest(text).subarray(0, KEPT_BYTES))
      );
    },
  };
}
