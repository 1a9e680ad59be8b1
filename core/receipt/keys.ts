/**
 * Keys of receipts: Ed25519, made from secrets like the other secrets of an installation, so that one
 * that is rotated or lost is handled like them. The first one signs; public keys of all are shown.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { canonicalJson } from './canonical.ts';
import type { Receipt, SignedReceipt } from './receipt.ts';

/** DER of a PKCS #8 private key of Ed25519 (RFC 8410) up to its 32 bytes. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const PURPOSE = 'taximeter: receipts, Ed25519';
const SIGNATURE_BYTES = 64;

export interface ReceiptJwk {
  kty: 'OKP';
  crv: 'Ed25519';
  /** base64url */
  x: string;
  /** RFC 7638 thumbprint */
  kid: string;
  alg: 'EdDSA';
  use: 'sig';
}

export interface ReceiptKeys {
  /** the one that signs first */
  jwks: { keys: ReceiptJwk[] };
  sign(receipt: Receipt): SignedReceipt;
}

/** @param secrets the present one first */
export function createReceiptKeys(secrets: readonly [string, ...string[]]): ReceiptKeys {
  const keys = secrets.map((secret) => {
    const seed = Buffer.from(hkdfSync('sha256', secret, '', PURPOSE, 32));
    return createPrivateKey({
      ...{ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' },
    });
  });
  const jwks = { keys: keys.map(publicJwk) };
  return {
    jwks,
    sign(receipt) {
      const bytes = Buffer.from(canonicalJson(receipt));
      const value = sign(null, bytes, keys[0]!).toString('base64url');
      return { receipt, signature: { algorithm: 'Ed25519', kid: jwks.keys[0]!.kid, value } };
    },
  };
}

function publicJwk(key: KeyObject): ReceiptJwk {
  const x = createPublicKey(key).export({ format: 'jwk' }).x!;
  return { kty: 'OKP', crv: 'Ed25519', x, kid: thumbprint(x), alg: 'EdDSA', use: 'sig' };
}

/** RFC 7638: of the members that it names, in their order. */
function thumbprint(x: string): string {
  return createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');
}

/** Why a signature does not hold; null: it does. */
export function refusalOfSignature(
  { receipt, signature }: SignedReceipt,
  jwks: unknown,
): string | null {
  const key = keyOf(jwks, signature.kid);
  if (key === null) return `there is no Ed25519 key "${signature.kid}" among the keys given`;
  const value = Buffer.from(signature.value, 'base64url');
  // Several texts decode to the same bytes; only one of them is the signature.
  if (value.length !== SIGNATURE_BYTES || value.toString('base64url') !== signature.value) {
    return 'it is not 64 bytes of base64url';
  }
  const isOf = verify(null, Buffer.from(canonicalJson(receipt)), key, value);
  return isOf ? null : 'it is not one of this receipt by that key';
}

/** By its own thumbprint, whatever it is called: so a set of keys can not lend a name. */
function keyOf(jwks: unknown, kid: string): KeyObject | null {
  const keys = (jwks as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) return null;
  for (const jwk of keys as (Partial<ReceiptJwk> | null)[]) {
    if (jwk?.kty !== 'OKP' || jwk.crv !== 'Ed25519' || typeof jwk.x !== 'string') continue;
    if (thumbprint(jwk.x) !== kid) continue;
    const { x } = jwk;
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  }
  return null;
}
