import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { meterKeys } from '../core/meter/keys.ts';
import {
  createTickets,
  DEFAULT_TICKET_TTL_SECONDS,
  MAX_TICKET_TTL_SECONDS,
  TICKET_CLOCK_TOLERANCE_SECONDS,
  type TicketKey,
  ticketKeysOf,
} from './tickets.ts';

const START = Date.UTC(2025, 5, 1, 12);
const key: TicketKey = { kid: 'june', secret: randomBytes(32) };
const grant = { org: 'acme', user: 'ann' };

let redis: Redis;
let secondRedis: Redis;
let nowMs = START;
const now = () => nowMs;
const names = meterKeys(`tickets-${randomUUID()}`);

function ticketsWith(keys: readonly TicketKey[], connection = redis) {
  return createTickets({ keys, now, redis: connection, meterKeys: names });
}

/** A token as somebody else might make it: right in everything but what the test changes. */
function forge(changes: { payload?: JWTPayload; header?: object } = {}) {
  const seconds = nowMs / 1000;
  const payload = {
    iss: 'taximeter',
    aud: 'taximeter.v1',
    org: 'acme',
    sub: 'ann',
    jti: randomUUID(),
    iat: seconds,
    exp: seconds + 60,
    ...changes.payload,
  };
  const header = { alg: 'HS256', typ: 'ticket+jwt', kid: key.kid, ...changes.header };
  return new SignJWT(payload).setProtectedHeader(header);
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

beforeAll(() => {
  redis = new Redis(inject('redisUrl'));
  secondRedis = new Redis(inject('redisUrl'));
});
afterAll(async () => {
  await Promise.all([redis.quit(), secondRedis.quit()]);
});

describe('a ticket', () => {
  it('says whom it was made for, and nothing that was not asked for', async () => {
    const tickets = ticketsWith([key]);
    const minted = await tickets.mint(grant);
    expect(minted.expiresAt).toBe(START + DEFAULT_TICKET_TTL_SECONDS * 1000);
    expect(await tickets.verify(minted.ticket)).toEqual({
      ...grant,
      scopes: ['record', 'read'],
      trustCaptured: false,
      jti: minted.jti,
      expiresAt: minted.expiresAt,
    });
  });

  it('carries session, scopes, origin and trust when they were asked for', async () => {
    const tickets = ticketsWith([key]);
    const more = {
      ...grant,
      session: 's-1',
      scopes: ['record'] as const,
      origin: 'https://app.example',
      trustCaptured: true,
    };
    const { ticket } = await tickets.mint(more);
    expect(await tickets.verify(ticket, { origin: 'https://app.example' })).toMatchObject(more);
  });

  it('is the very same when minted again from the same id and instant', async () => {
    const tickets = ticketsWith([key]);
    const request = { ...grant, jti: 'once', issuedAt: START };
    expect(await tickets.mint(request)).toEqual(await tickets.mint(request));
  });

  it('cannot be made to live longer than the limit', async () => {
    await expect(
      ticketsWith([key]).mint({ ...grant, ttlSeconds: MAX_TICKET_TTL_SECONDS + 1 }),
    ).rejects.toThrow(/not 3601/);
  });

  it('is stale once it has expired, and a moment of clock difference is forgiven', async () => {
    const tickets = ticketsWith([key]);
    const { ticket, expiresAt } = await tickets.mint(grant);
    try {
      nowMs = expiresAt + TICKET_CLOCK_TOLERANCE_SECONDS * 1000 - 1000;
      expect(await tickets.verify(ticket)).not.toHaveProperty('error');
      nowMs = expiresAt + TICKET_CLOCK_TOLERANCE_SECONDS * 1000;
      expect(await tickets.verify(ticket)).toMatchObject({ error: 'ticketStale' });
    } finally {
      nowMs = START;
    }
  });

  it('of one origin is refused from another and from a request without one', async () => {
    const tickets = ticketsWith([key]);
    const { ticket } = await tickets.mint({ ...grant, origin: 'https://app.example' });
    for (const origin of ['https://evil.example', 'https://app.example.evil', 'null', null]) {
      expect(await tickets.verify(ticket, { origin })).toMatchObject({ error: 'ticketInvalid' });
    }
    expect(await tickets.verify(ticket)).not.toHaveProperty('error');
  });
});

describe('a token that is not a ticket', () => {
  const wrong: Record<string, () => Promise<string> | string> = {
    'has another audience': () => forge({ payload: { aud: 'someone.else' } }).sign(key.secret),
    'has another issuer': () => forge({ payload: { iss: 'someone' } }).sign(key.secret),
    'is of another type': () => forge({ header: { typ: 'JWT' } }).sign(key.secret),
    'never expires': () => {
      const { exp: _, ...payload } = {
        exp: 0,
        iss: 'taximeter',
        aud: 'taximeter.v1',
        iat: START / 1000,
      };
      return new SignJWT({ ...payload, org: 'acme', sub: 'ann', jti: 'x' })
        .setProtectedHeader({ alg: 'HS256', typ: 'ticket+jwt', kid: key.kid })
        .sign(key.secret);
    },
    'names no member': () => forge({ payload: { sub: '' } }).sign(key.secret),
    'names an organization that is no id': () =>
      forge({ payload: { org: 'acme|other' } }).sign(key.secret),
    'has scopes that do not exist': () =>
      forge({ payload: { scopes: ['admin'] } }).sign(key.secret),
    'is signed with another secret': () => forge().sign(randomBytes(32)),
    'names a key that does not exist': () => forge({ header: { kid: 'july' } }).sign(key.secret),
    'uses another algorithm of the same family': () =>
      forge({ header: { alg: 'HS512' } }).sign(randomBytes(64)),
    'has been altered': async () => {
      const [header, , signature] = (await forge().sign(key.secret)).split('.');
      const payload = encoded({ org: 'other', sub: 'ann' });
      return `${header}.${payload}.${signature}`;
    },
    'is not signed at all': () => {
      const header = encoded({ alg: 'none', typ: 'ticket+jwt', kid: key.kid });
      const seconds = START / 1000;
      const claims = { iss: 'taximeter', aud: 'taximeter.v1', iat: seconds, exp: seconds + 60 };
      return `${header}.${encoded({ ...claims, org: 'acme', sub: 'ann', jti: 'x' })}.`;
    },
    'is not a token': () => 'not.a.token',
    'is empty': () => '',
    'is longer than any ticket': () => 'a'.repeat(5_000),
  };
  for (const [what, make] of Object.entries(wrong)) {
    it(`${what}: it is refused`, async () => {
      const answer = await ticketsWith([key]).verify(await make());
      expect(answer).toMatchObject({ error: 'ticketInvalid' });
    });
  }

  it('was issued in the future: another one will do, for one of two clocks is wrong', async () => {
    const payload = { iat: START / 1000 + 600, exp: START / 1000 + 660 };
    const answer = await ticketsWith([key]).verify(await forge({ payload }).sign(key.secret));
    expect(answer).toMatchObject({ error: 'ticketStale' });
  });

  it('is signed with RSA while a public key is known as a secret: it is refused', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const secret = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const tickets = ticketsWith([{ kid: 'rsa', secret: Buffer.from(secret) }]);
    const signedRsa = await forge({ header: { alg: 'RS256', kid: 'rsa' } }).sign(privateKey);
    expect(await tickets.verify(signedRsa)).toMatchObject({ error: 'ticketInvalid' });
    // The other way round: HS256 over somebody's public key, where the ring holds a real secret.
    const signedPublic = await forge().sign(Buffer.from(secret));
    expect(await ticketsWith([key]).verify(signedPublic)).toMatchObject({ error: 'ticketInvalid' });
  });

  it('answers with a sentence that holds nothing of the token', async () => {
    const token = await forge({ payload: { aud: 'someone.else' } }).sign(key.secret);
    const answer = await ticketsWith([key]).verify(token);
    expect(JSON.stringify(answer)).toContain('aud');
    for (const part of token.split('.')) expect(JSON.stringify(answer)).not.toContain(part);
  });
});

describe('single use', () => {
  it('lets the first one in and nobody after', async () => {
    const tickets = ticketsWith([key]);
    const { jti, expiresAt } = await tickets.mint(grant);
    expect(await tickets.redeem({ jti, expiresAt })).toBe(true);
    expect(await tickets.redeem({ jti, expiresAt })).toBe(false);
  });

  it('lets exactly one of many in that come at once, over two gateways', async () => {
    const [here, there] = [ticketsWith([key]), ticketsWith([key], secondRedis)];
    const { jti, expiresAt } = await here.mint(grant);
    const tries = Array.from({ length: 40 }, (_, index) =>
      (index % 2 === 0 ? here : there).redeem({ jti, expiresAt }),
    );
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
  });

  it('is remembered until no gateway would take the ticket any more', async () => {
    const tickets = ticketsWith([key]);
    const { jti, expiresAt } = await tickets.mint({ ...grant, ttlSeconds: 30 });
    await tickets.redeem({ jti, expiresAt });
    expect(await redis.pttl(names.ticket(jti))).toBeGreaterThan(
      (30 + TICKET_CLOCK_TOLERANCE_SECONDS) * 1000,
    );
  });
});

describe('key rotation', () => {
  const next: TicketKey = { kid: 'july', secret: randomBytes(32) };

  it('signs with the first key and still takes tickets of the others', async () => {
    const { ticket: old } = await ticketsWith([key]).mint(grant);
    const rotated = ticketsWith([next, key]);
    expect(await rotated.verify(old)).not.toHaveProperty('error');
    const { ticket: fresh } = await rotated.mint(grant);
    expect(await ticketsWith([next]).verify(fresh)).not.toHaveProperty('error');
  });

  it('refuses tickets of a key that was dropped', async () => {
    const { ticket: old } = await ticketsWith([key]).mint(grant);
    expect(await ticketsWith([next]).verify(old)).toMatchObject({ error: 'ticketInvalid' });
  });

  it('knows a secret wherever it stands in the list of another gateway', async () => {
    const [old, fresh] = ['o'.repeat(32), 'f'.repeat(32)] as const;
    const before = ticketsWith(ticketKeysOf([old]));
    const during = ticketsWith(ticketKeysOf([fresh, old]));
    const after = ticketsWith(ticketKeysOf([fresh]));
    const verify = async (ticket: string, by: typeof during) =>
      'error' in (await by.verify(ticket)) ? 'refused' : 'taken';
    expect(await verify((await before.mint(grant)).ticket, during)).toBe('taken');
    expect(await verify((await during.mint(grant)).ticket, after)).toBe('taken');
    expect(await verify((await after.mint(grant)).ticket, during)).toBe('taken');
    expect(await verify((await before.mint(grant)).ticket, after)).toBe('refused');
  });

  it('refuses to start with a short secret, two keys of one name, or none', () => {
    expect(() => ticketsWith([{ kid: 'weak', secret: randomBytes(31) }])).toThrow(/31 bytes/);
    expect(() => ticketsWith([key, key])).toThrow(/two ticket keys named june/);
    expect(() => ticketsWith([])).toThrow(/No ticket key/);
  });
});
