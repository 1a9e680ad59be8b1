/**
 * Texts at rest, encrypted by AES-256-GCM. Each is bound to its place: moved to another it can't be
 * read. Form: `aes1:KEY:DATA`, the key by its name, the data in base64url: 12 bytes that are used
 * once, 16 that authenticate, then the text. What does not begin like that was written without a key.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const PREFIX = 'aes1';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_NAME_CHARACTERS = 8;
const PURPOSE = 'taximeter text at rest';

export type Opened =
  | { status: 'ok'; text: string }
  /** it was written with a key that is not among ours */
  | { status: 'keyMissing'; key: string }
  /** altered, or moved from another place */
  | { status: 'broken' };

export interface TextCipher {
  /** By the first key; without keys the text as it is. `place`: what it belongs to. */
  seal(text: string, place: readonly string[]): string;
  open(value: string, place: readonly string[]): Opened;
  /** Whether `seal` would write it with another key than it was written with. */
  isOutdated(value: string): boolean;
}

interface Key {
  /** says nothing of the key itself */
  name: string;
  bytes: Uint8Array;
}

function keyOf(secret: string): Key {
  const bytes = new Uint8Array(hkdfSync('sha256', secret, '', PURPOSE, KEY_BYTES));
  const name = createHash('sha256').update(bytes).digest('hex').slice(0, KEY_NAME_CHARACTERS);
  return { name, bytes };
}

/** @param secrets the first encrypts, all of them decrypt; none: texts stay as they are */
export function createTextCipher(secrets: readonly string[]): TextCipher {
  const keys = secrets.map(keyOf);
  const [first] = keys;
  const placeOf = (place: readonly string[]) => Buffer.from(JSON.stringify(place));

  return {
    seal(text, place) {
      if (first === undefined) return text;
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, first.bytes, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(placeOf(place));
      const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      const sealed = Buffer.concat([nonce, cipher.getAuthTag(), data]).toString('base64url');
      return `${PREFIX}:${first.name}:${sealed}`;
    },
    open(value, place) {
      if (!value.startsWith(`${PREFIX}:`)) return { status: 'ok', text: value };
      const [, name = '', sealed = ''] = value.split(':');
      const key = keys.find((it) => it.name === name);
      if (key === undefined) return { status: 'keyMissing', key: name };
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return { status: 'broken' };
      const cipher = createDecipheriv(ALGORITHM, key.bytes, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      cipher.setAAD(placeOf(place));
      cipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      try {
        const data = cipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
        return { status: 'ok', text: Buffer.concat([data, cipher.final()]).toString('utf8') };
      } catch {
        return { status: 'broken' };
      }
    },
    isOutdated(value) {
      return first !== undefined && !value.startsWith(`${PREFIX}:${first.name}:`);
    },
  };
}
