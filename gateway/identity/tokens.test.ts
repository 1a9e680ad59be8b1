import { createHmac, randomBytes } from 'node:crypto';
import { base64url } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../core/runtime/log.ts';
import { readConfig } from '../config.ts';
import { createTickets } from '../tickets.ts';
import { createCredentials } from './credentials.ts';
import { COOL_DOWN_MS, FIRST_COOL_DOWN_MS, FRESH_MS } from './key-set.ts';
import { identityProviders, type ProviderInput } from './settings.ts';
import { AUDIENCE, startTestProvider, type TestProvider } from './test-provider.ts';
import { createTokens, MAX_TOKEN_CHARACTERS, type Tokens } from './tokens.ts';

const log = createLog({ name: 'test', level: 'silent' });
const json = (value: object) => base64url.encode(JSON.stringify(value));

let provider: TestProvider;
let nowMs = 0;
beforeEach(async () => {
  provider = await startTestProvider();
  nowMs = 0;
});
afterEach(() => provider.stop());

function tokensOf(changes: Partial<ProviderInput> = {}, at = () => Date.now()): Tokens {
  const text = JSON.stringify([{ ...provider.settings, ...changes }]);
  const providers = identityProviders().parse(text);
  return createTokens({ providers, now: at, monotonicMs: () => nowMs, log });
}
const reason = async (tokens: Tokens, token: string) => {
  const claims = await tokens.verify(token);
  return 'error' in claims ? `${claims.error}: ${claims.detail}` : 'it was accepted';
};

describe('a token of an identity provider', () => {
  it('says who it is by the claims that were mapped', async () => {
    const claims = await tokensOf().verify(await provider.token());
    expect(claims).toMatchObject({
      ...{ org: 'acme', user: 'ann', scopes: ['record', 'read'], isReusable: true },
      trustCaptured: false,
    });
    const mapped = tokensOf({
      claims: { org: ['app', 'tenant'], user: 'https://app.example/id', scopes: 'scope' },
      scopeNames: { record: 'meter:record' },
    });
    const token = await provider.token({
      ...{ app: { tenant: 'globex' }, 'https://app.example/id': 'bea', scope: 'openid read' },
    });
    expect(await mapped.verify(token)).toMatchObject({
      ...{ org: 'globex', user: 'bea', scopes: ['read'] },
    });
    const list = await provider.token({
      ...{ app: { tenant: 'globex' }, 'https://app.example/id': 'bea', scope: ['meter:record'] },
    });
    expect(await mapped.verify(list)).toMatchObject({ scopes: ['record'] });
  });

  it('is also taken where it is signed with RSA', async () => {
    const rsa = await startTestProvider('RS256');
    const { issuer, jwksUrl, algorithms } = rsa.settings;
    const tokens = tokensOf({ issuer, jwksUrl, algorithms });
    expect(await tokens.verify(await rsa.token())).toMatchObject({ user: 'ann' });
    await rsa.stop();
  });

  it('of a provider of some organizations speaks for those only', async () => {
    const tokens = tokensOf({ orgs: ['acme'] });
    expect(await tokens.verify(await provider.token())).toMatchObject({ org: 'acme' });
    const foreign = await provider.token({ org_id: 'globex' });
    expect(await reason(tokens, foreign)).toMatch(/does not speak for the organization "globex"/);
    const fixed = tokensOf({ org: 'acme', claims: {} });
    expect(await fixed.verify(foreign)).toMatchObject({ org: 'acme' });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['for another audience', { aud: 'another' }, /ticketInvalid.*"aud"/],
    ['without an audience', { aud: undefined }, /ticketInvalid.*"aud"/],
    ['without an end', { exp: undefined }, /ticketInvalid.*"exp"/],
    ['that is not valid yet', { nbf: 4_000_000_000 }, /ticketInvalid.*"nbf"/],
    ['that has expired', { exp: 1_000 }, /ticketStale/],
    ['without an organization', { org_id: undefined }, /"org_id".*missing/],
    ['with an organization that is no id', { org_id: 'a b' }, /"org_id".*"a b"/],
    ['with a list for a user', { sub: ['ann'] as never }, /ticketInvalid/],
    ['whose claim is inherited', { org_id: undefined, __proto__: { org_id: 'x' } }, /org_id/],
  ])('%s is refused', async (_what, claims, why) => {
    expect(await reason(tokensOf(), await provider.token(claims))).toMatch(why);
  });

  it('of another issuer is not looked at, and none is where none is set', async () => {
    const token = await provider.token({ iss: 'https://elsewhere.example' });
    expect(tokensOf().isOne(token)).toBe(false);
    expect(await reason(tokensOf(), token)).toMatch(/issuer is not known/);
    expect(provider.asked()).toBe(0);
    const long = await provider.token({ padding: 'x'.repeat(MAX_TOKEN_CHARACTERS) });
    expect(tokensOf().isOne(long)).toBe(false);
    for (const text of ['', 'a', 'a.b.c', 'eyJ.e30.', `eyJ${'['.repeat(5_000)}.e.e`]) {
      expect(tokensOf().isOne(text)).toBe(false);
    }
  });

  it('is forgiven the tolerance between two clocks, and no more', async () => {
    const token = await provider.token({ exp: Math.floor(Date.now() / 1_000) + 10 });
    const at = (ms: number) => tokensOf({ clockToleranceSeconds: 5 }, () => Date.now() + ms);
    expect(await at(12_000).verify(token)).toMatchObject({ org: 'acme' });
    expect(await reason(at(17_000), token)).toMatch(/ticketStale/);
  });
});

describe('tricks with the algorithm', () => {
  const payload = () =>
    json({
      ...{ iss: provider.issuer, aud: AUDIENCE, sub: 'ann', org_id: 'acme', exp: 4_000_000_000 },
    });

  it('are refused: none, a public key as a shared secret, another than is allowed', async () => {
    const tokens = tokensOf();
    const [jwk] = provider.publicKeys();
    const unsigned = [`${json({ alg: 'none' })}.${payload()}.`];
    for (const alg of ['NONE', 'nOnE', '', 'HS256', 'ES256 ', 'PS256', 'RS256', 'ES256']) {
      unsigned.push(`${json({ alg, kid: jwk!.kid })}.${payload()}.${base64url.encode('x')}`);
    }
    for (const secret of [JSON.stringify(jwk), jwk!.x!, '']) {
      const head = `${json({ alg: 'HS256', kid: jwk!.kid })}.${payload()}`;
      const mac = createHmac('sha256', secret).update(head).digest('base64url');
      unsigned.push(`${head}.${mac}`);
    }
    for (const token of unsigned) expect(await reason(tokens, token)).toMatch(/^ticketInvalid/);
    expect(await tokens.verify(await provider.token())).toMatchObject({ user: 'ann' });
  });

  it('with a key that the token brings along, or that is not for it, are refused', async () => {
    const other = await startTestProvider();
    const claims = { iss: provider.issuer };
    const [jwk] = other.publicKeys();
    for (const header of [
      { jwk },
      { jku: `${other.issuer}/jwks.json` },
      { kid: provider.publicKeys()[0]!.kid },
    ]) {
      const token = await other.token(claims, header);
      expect(await reason(tokensOf(), token)).toMatch(/signature is wrong/);
    }
    expect(other.asked()).toBe(0);
    await provider.rotate({ alg: 'ES384' });
    const larger = await provider.token();
    expect(await reason(tokensOf(), larger)).toMatch(/must be signed with ES256/);
    const both = tokensOf({ algorithms: ['ES384', 'ES256'] });
    expect(await both.verify(larger)).toMatchObject({ user: 'ann' });
    await other.stop();
  });

  it('can not even be configured', () => {
    const parse = (changes: object) => identityProviders().safeParse(JSON.stringify([changes]));
    const good = { ...provider.settings };
    expect(parse(good).success).toBe(true);
    for (const bad of [
      { algorithms: ['HS256'] },
      { algorithms: ['none'] },
      { algorithms: [] },
      { audience: undefined },
      { jwksUrl: 'http://provider.example/jwks' },
      { jwksUrl: 'file:///etc/passwd' },
      { jwksUrl: undefined },
      { jwksUrl: undefined, jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } },
      { issuer: 'taximeter' },
      { claims: {} },
      { org: 'acme' },
      { secret: 'x' },
    ]) {
      expect([bad, parse({ ...good, ...bad }).success]).toEqual([bad, false]);
    }
    const env = { IDENTITY_PROVIDERS: '{"issuer": 1}', DEVELOPMENT: '1' };
    expect(() => readConfig(env)).toThrow(/IDENTITY_PROVIDERS/);
  });
});

describe('the keys of a provider', () => {
  it('are fetched once for a crowd, and a new one as soon as a token names it', async () => {
    const tokens = tokensOf();
    const token = await provider.token();
    await Promise.all(Array.from({ length: 50 }, () => tokens.verify(token)));
    expect(provider.asked()).toBe(1);
    nowMs += COOL_DOWN_MS;
    await provider.rotate({ only: true });
    expect(await tokens.verify(await provider.token())).toMatchObject({ user: 'ann' });
    expect(provider.asked()).toBe(2);
    expect(await reason(tokens, token)).toMatch(/^ticketStale.*not known here yet/);
    nowMs += COOL_DOWN_MS;
    expect(await reason(tokens, token)).toMatch(/^ticketInvalid.*key is not known/);
  });

  it('are not fetched more often for a flood of names that are not among them', async () => {
    const tokens = tokensOf();
    const known = await provider.token();
    await tokens.verify(known);
    const flood = async () => {
      const names = Array.from({ length: 100 }, (_, i) => `no-${i}-${nowMs}`);
      const made = await Promise.all(names.map((kid) => provider.token({}, { kid })));
      const answers = await Promise.all(made.map((token) => reason(tokens, token)));
      for (const answer of answers) expect(answer).toMatch(/^ticket(Stale|Invalid)/);
    };
    for (let i = 0; i < 3; i++) await flood();
    expect(provider.asked()).toBe(1);
    nowMs += COOL_DOWN_MS;
    for (let i = 0; i < 2; i++) await flood();
    expect(provider.asked()).toBe(2);
    expect(await tokens.verify(known)).toMatchObject({ user: 'ann' });
  });

  it('hold while the provider is away, slow or mad, and one that was dropped goes when it is back', async () => {
    const tokens = tokensOf();
    const old = await provider.token();
    await tokens.verify(old);
    const answers = [
      { status: 500 },
      { status: 302 },
      { body: 'no json' },
      { body: '{}' },
      { body: '{"keys": "all"}' },
      { body: JSON.stringify({ keys: [], padding: 'x'.repeat(300_000) }) },
    ];
    for (const answer of answers) {
      provider.answer(answer);
      nowMs += FRESH_MS;
      expect(await tokens.verify(old)).toMatchObject({ user: 'ann' });
      await tokens.warm();
    }
    expect(provider.asked()).toBe(1 + answers.length);
    await provider.rotate({ only: true });
    provider.answer(null);
    nowMs += FRESH_MS;
    await tokens.verify(old);
    await expect.poll(() => reason(tokens, old)).toMatch(/^ticketStale/);
    expect(await tokens.verify(await provider.token())).toMatchObject({ user: 'ann' });
  });

  it('that can not be had at all say to come again, and are asked for seldom', async () => {
    provider.answer({ status: 503 });
    const tokens = tokensOf();
    const token = await provider.token();
    for (let i = 0; i < 20; i++) expect(await reason(tokens, token)).toMatch(/^ticketStale/);
    expect(provider.asked()).toBe(1);
    provider.answer(null);
    nowMs += FIRST_COOL_DOWN_MS;
    expect(await tokens.verify(token)).toMatchObject({ user: 'ann' });
  });

  it('may stand in the configuration itself', async () => {
    const { jwksUrl: _, ...settings } = provider.settings;
    const inline = { ...settings, jwks: { keys: provider.publicKeys() as never[] } };
    const providers = identityProviders().parse(JSON.stringify([inline]));
    const tokens = createTokens({ providers, now: Date.now, monotonicMs: () => 0, log });
    expect(await tokens.verify(await provider.token())).toMatchObject({ user: 'ann' });
    expect(provider.asked()).toBe(0);
  });
});

describe('beside tickets', () => {
  it('tokens are used again, tickets once; a member is made by the first of its tokens', async () => {
    const introduced: string[] = [];
    const marks = new Set<string>();
    let isAway = true;
    const tickets = createTickets({
      keys: [{ kid: 'a', secret: randomBytes(32) }],
      now: Date.now,
      redis: {
        async set(key) {
          if (marks.has(key)) return null;
          marks.add(key);
          return 'OK';
        },
      },
    });
    const both = createCredentials({
      ...{ tickets, tokens: tokensOf(), log },
      async introduce(org, user) {
        if (isAway) throw new Error('Postgres is away');
        introduced.push(`${org} ${user}`);
      },
    });
    const token = await provider.token();
    for (let i = 0; i < 3; i++) {
      const claims = await both.verify(token);
      if ('error' in claims) throw new Error(claims.detail);
      expect(await both.redeem(claims)).toBe(true);
      isAway = false;
    }
    expect(introduced).toEqual(['acme ann']);
    const { ticket } = await both.mint({ org: 'acme', user: 'bea' });
    const claims = await both.verify(ticket);
    if ('error' in claims) throw new Error(claims.detail);
    expect([await both.redeem(claims), await both.redeem(claims)]).toEqual([true, false]);
    expect(introduced).toHaveLength(1);
  });
});
