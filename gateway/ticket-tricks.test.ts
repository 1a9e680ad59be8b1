/** Tokens made to be taken for tickets: algorithms, keys, headers, claims and signatures that lie. */
import { createHmac, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createTickets, type TicketKey } from './tickets.ts';

const NOW = Date.UTC(2025, 5, 1, 12);
const key: TicketKey = { kid: 'june', secret: randomBytes(32) };
const retired: TicketKey = { kid: 'may', secret: randomBytes(32) };
const used = new Set<string>();
const tickets = createTickets({
  keys: [key],
  now: () => NOW,
  redis: {
    async set(name) {
      if (used.has(name)) return null;
      used.add(name);
      return 'OK';
    },
  },
});

const encoded = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
const HEADER = { alg: 'HS256', typ: 'ticket+jwt', kid: key.kid };
const claims = () => ({
  ...{ iss: 'taximeter', aud: 'taximeter.v1', org: 'acme', sub: 'ann', jti: randomUUID() },
  ...{ iat: NOW / 1000, exp: NOW / 1000 + 60 },
});

/** Whatever is in them: signed with this secret by HMAC, as the header may say or not. */
function signed(header: unknown, payload: unknown, secret: Uint8Array = key.secret): string {
  const text = `${encoded(header)}.${encoded(payload)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
const withHeader = (more: object, secret?: Uint8Array) =>
  signed({ ...HEADER, ...more }, claims(), secret);
const withClaims = (more: object) => signed(HEADER, { ...claims(), ...more });

async function expectRefused(token: string): Promise<void> {
  expect(await tickets.verify(token), token.slice(0, 200)).toHaveProperty('error');
}

it('a token made by hand as it should be is taken: else nothing here would be tried', async () => {
  expect(await tickets.verify(signed(HEADER, claims()))).toMatchObject({
    org: 'acme',
    user: 'ann',
  });
});

describe('an algorithm', () => {
  it.each([
    'none',
    'None',
    'NONE',
    'nOnE',
    'hs256',
    'Hs256',
    ' HS256',
    'HS256 ',
    '',
    'HMAC',
    'HS257',
  ])('"%s" is refused, signed or not', async (alg) => {
    const token = withHeader({ alg });
    await expectRefused(token);
    await expectRefused(token.replace(/[^.]*$/, ''));
  });

  it.each([null, 256, ['HS256'], { name: 'HS256' }, true])('that is %j is refused', (alg) =>
    expectRefused(withHeader({ alg })),
  );

  it.each(['HS384', 'HS512'])('%s of the right secret is refused', async (alg) => {
    const header = { ...HEADER, alg };
    await expectRefused(
      await new SignJWT(claims()).setProtectedHeader(header).sign(randomBytes(64)),
    );
  });

  it.each([
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['PS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
    ['EdDSA', generateKeyPairSync('ed25519').privateKey],
  ])('%s of somebody’s own key is refused', async (alg, privateKey) => {
    const header = { ...HEADER, alg };
    await expectRefused(await new SignJWT(claims()).setProtectedHeader(header).sign(privateKey));
  });
});

describe('a key', () => {
  it.each([
    '',
    '__proto__',
    'constructor',
    'toString',
    '../../../../dev/null',
    '/dev/null',
    'JUNE',
    ' june',
    'june ',
    'june\0',
    'june\n',
    "june' or '1'='1",
    'x'.repeat(2_000),
  ])('named %j is refused, with an empty secret, too', async (kid) => {
    await expectRefused(withHeader({ kid }));
    await expectRefused(withHeader({ kid }, Buffer.alloc(0)));
  });

  it.each([null, 0, ['june'], { june: 'june' }, true])('named %j is refused', (kid) =>
    expectRefused(withHeader({ kid })),
  );

  it('without a name is refused', () => expectRefused(withHeader({ kid: undefined })));

  it('that the token brings itself is not asked', async () => {
    const mine = randomBytes(32);
    const k = mine.toString('base64url');
    for (const more of [
      { jwk: { kty: 'oct', k, alg: 'HS256' } },
      { jku: 'http://127.0.0.1:1/keys', kid: 'mine' },
      { x5u: 'http://127.0.0.1:1/cert' },
      { x5c: [mine.toString('base64')] },
    ]) {
      await expectRefused(withHeader(more, mine));
    }
  });

  it('that was retired is refused, under its own name and under the present one', async () => {
    await expectRefused(withHeader({ kid: retired.kid }, retired.secret));
    await expectRefused(withHeader({}, retired.secret));
    await expectRefused(withHeader({ kid: retired.kid }));
  });
});

describe('a header', () => {
  it.each([
    [{ crit: ['exp'] }],
    [{ crit: ['unheard-of'], 'unheard-of': true }],
    [{ crit: [] }],
    [{ b64: false, crit: ['b64'] }],
    [{ typ: 'JWT' }],
    [{ typ: undefined }],
    [{ typ: 'ticket' }],
  ])('with %j is refused', (more) => expectRefused(withHeader(more)));

  it.each(['null', '[]', '"HS256"', '{"alg":"HS256"', '{"alg":"none","alg":"none"}', ''])(
    'that is %s is refused',
    (header) => expectRefused(signed(header, claims())),
  );
});

describe('claims', () => {
  it.each([
    [{ aud: 'taximeter.v2' }],
    [{ aud: 'taximeter' }],
    [{ aud: '' }],
    [{ aud: [] }],
    [{ aud: ['someone.else'] }],
    [{ aud: { 'taximeter.v1': true } }],
    [{ aud: undefined }],
    [{ iss: 'taximeter.evil' }],
    [{ iss: undefined }],
    [{ exp: NOW / 1000 - 60 }],
    [{ exp: String(NOW / 1000 + 60) }],
    [{ exp: null }],
    [{ nbf: NOW / 1000 + 60 }],
    [{ nbf: 'now' }],
    [{ iat: undefined }],
    [{ iat: NOW / 1000 - 86_400, exp: NOW / 1000 + 86_400 }],
    [{ jti: undefined }],
    [{ jti: 7 }],
    [{ org: undefined }],
    [{ org: ['acme'] }],
    [{ org: '__proto__' }],
    [{ org: 'acme:}{' }],
    [{ sub: { toString: 'ann' } }],
    [{ sub: 'a'.repeat(129) }],
    [{ session: '../other' }],
    [{ scopes: 'record' }],
    [{ scopes: ['record', 'admin'] }],
    [{ origin: ['https://app.example'] }],
  ])('with %j are refused', (more) => expectRefused(withClaims(more)));

  it('trust a recorder only where they say so plainly', async () => {
    for (const trustCaptured of ['true', 1, {}, [true]]) {
      expect(await tickets.verify(withClaims({ trustCaptured }))).toMatchObject({
        trustCaptured: false,
      });
    }
  });

  it.each(['null', '[]', '"x"', '{', ''])('that are %s are refused', (payload) =>
    expectRefused(signed(HEADER, payload)),
  );
});

describe('a token', () => {
  const right = signed(HEADER, claims());
  const [head, body, signature] = right.split('.') as [string, string, string];

  it.each([
    ['without its signature', `${head}.${body}.`],
    ['without the last point', `${head}.${body}`],
    ['with half a signature', `${head}.${body}.${signature.slice(0, 20)}`],
    ['with another signature', `${head}.${body}.${encoded(randomBytes(32).toString('latin1'))}`],
    ['with a part more', `${right}.x`],
    ['of five parts, as if encrypted', `${right}.x.y`],
    ['with a point before it', `.${right}`],
    ['as JSON', JSON.stringify({ protected: head, payload: body, signature })],
    ['within a token', signed(HEADER, right)],
    ['with a NUL in it', `${head}\0.${body}.${signature}`],
  ])('%s is refused', (_, token) => expectRefused(token));

  it('written in another way is still the same ticket, and used up with it', async () => {
    // The last letter of 32 bytes in base64 has two bits that say nothing.
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = letters.indexOf(signature.at(-1)!);
    const twin = `${head}.${body}.${signature.slice(0, -1)}${letters[last ^ 1]}`;
    const first = await tickets.verify(right);
    const second = await tickets.verify(twin);
    if ('error' in first) throw new Error(first.detail);
    expect(await tickets.redeem(first)).toBe(true);
    if (!('error' in second)) expect(await tickets.redeem(second)).toBe(false);
  });
});
