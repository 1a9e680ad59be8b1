import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMeter } from '../../core/meter/meter.ts';
import { connect } from '../../drizzle/client.ts';
import { startTestHttp, type TestHttp } from './test-http.ts';

let http: TestHttp;
beforeAll(async () => {
  http = await startTestHttp();
  await http.call('PUT', '/v1/plans/basic', { name: 'Basic', minutes: 60 });
  for (const org of ['acme', 'other']) {
    await http.call('PUT', `/v1/orgs/${org}`, { name: org, plan: 'basic' });
    await http.call('PUT', `/v1/orgs/${org}/members/ann`, {});
    await http.call('PUT', `/v1/orgs/${org}/members/bob`, {});
    await http.record(org, 'ann', `${org}-session`);
  }
});
afterAll(() => http.stop());

/** Every route that concerns one organization, as the backend of the app would call it. */
const ROUTES: [method: string, path: string, body?: object][] = [
  ['GET', '/v1/orgs/acme'],
  ['PUT', '/v1/orgs/acme', { name: 'Acme', plan: 'basic' }],
  ['GET', '/v1/orgs/acme/members'],
  ['GET', '/v1/orgs/acme/members/ann'],
  ['PUT', '/v1/orgs/acme/members/ann', {}],
  ['POST', '/v1/tickets', { org: 'acme', user: 'ann' }],
  ['GET', '/v1/orgs/acme/usage'],
  ['GET', '/v1/orgs/acme/usage?user=ann'],
  ['POST', '/v1/orgs/acme/check', { user: 'ann' }],
  ['GET', '/v1/orgs/acme/sessions?live=true'],
  ['GET', '/v1/orgs/acme/sessions?user=ann'],
  ['GET', '/v1/orgs/acme/extra-minutes'],
  ['POST', '/v1/orgs/acme/adjustments', { minutes: 1, kind: 'extra', reason: 'test' }],
  ['GET', '/v1/orgs/acme/audit'],
  ['POST', '/v1/orgs/acme/consume', { user: 'ann', feature: 'export' }],
  ['POST', '/v1/orgs/acme/consume/undo', { idempotencyKey: 'k' }],
  ['POST', '/v1/orgs/acme/usage-events', { kind: 'tokens' }],
  ['GET', '/v1/orgs/acme/usage-events'],
  ['GET', '/v1/orgs/acme/usage-events/summary'],
  ['GET', '/v1/sessions/acme-session?org=acme'],
  ['POST', '/v1/sessions/acme-session/stop?org=acme'],
];
/** What a member's own ticket may do of it. */
const MEMBER_ROUTES = new Set([
  'GET /v1/orgs/acme',
  'GET /v1/orgs/acme/members/ann',
  'GET /v1/orgs/acme/usage',
  'GET /v1/orgs/acme/usage?user=ann',
  'POST /v1/orgs/acme/check',
  'GET /v1/orgs/acme/sessions?live=true',
  'GET /v1/orgs/acme/sessions?user=ann',
  'GET /v1/orgs/acme/extra-minutes',
  'GET /v1/sessions/acme-session?org=acme',
]);

describe('whoever asks', () => {
  it('without credentials, or with wrong ones, is 401 on every route', async () => {
    const forged = (await http.ticket('acme', 'ann')).replace(/.{5}$/, 'AAAAA');
    for (const [method, path, body] of [...ROUTES, ['GET', '/v1/plans'] as const]) {
      for (const [as, code] of [
        [null, 'credentialsMissing'],
        ['tmk_wrong', 'keyInvalid'],
        [forged, 'ticketInvalid'],
      ] as const) {
        const answer = await http.call(method, path, body, { as });
        expect([method, path, answer.status, answer.body.code]).toEqual([method, path, 401, code]);
        expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      }
    }
  });

  it('with a key scoped to another organization is 403 on every route of this one', async () => {
    const key = await http.makeKey(['other']);
    for (const [method, path, body] of ROUTES) {
      const answer = await http.call(method, path, body, { as: key });
      expect([method, path, answer.status]).toEqual([method, path, 403]);
    }
    const list = await http.call('GET', '/v1/orgs', undefined, { as: key });
    expect(list.body.items.map(({ org }: { org: string }) => org)).toEqual(['other']);
    const without = await http.call('GET', '/v1/sessions/acme-session', undefined, { as: key });
    expect(without.status).toBe(404);
    const plan = await http.call('PUT', '/v1/plans/basic', { name: 'Mine' }, { as: key });
    expect(plan.status).toBe(403);
  });

  it('with a ticket of another organization is 403 on every route of this one', async () => {
    const as = await http.ticket('other', 'ann');
    for (const [method, path, body] of ROUTES) {
      const answer = await http.call(method, path, body, { as });
      expect([method, path, answer.status]).toEqual([method, path, 403]);
    }
    const session = await http.call('GET', '/v1/sessions/acme-session', undefined, { as });
    expect(session.status).toBe(404);
  });

  it('with a ticket of its own member reads its own figures and nothing else', async () => {
    const as = await http.ticket('acme', 'ann');
    for (const [method, path, body] of ROUTES) {
      const answer = await http.call(method, path, body, { as });
      const expected = MEMBER_ROUTES.has(`${method} ${path}`) ? 200 : 403;
      expect([method, path, answer.status]).toEqual([method, path, expected]);
    }
  });

  it('with a ticket of a colleague does not see this member', async () => {
    const as = await http.ticket('acme', 'bob');
    const status = async (path: string, method = 'GET', body?: object) =>
      (await http.call(method, path, body, { as })).status;
    expect(await status('/v1/orgs/acme/members/ann')).toBe(403);
    expect(await status('/v1/orgs/acme/usage?user=ann')).toBe(403);
    expect(await status('/v1/orgs/acme/sessions?user=ann')).toBe(403);
    expect(await status('/v1/orgs/acme/check', 'POST', { user: 'ann' })).toBe(403);
    expect(await status('/v1/sessions/acme-session')).toBe(404);
    const list = await http.call('GET', '/v1/orgs/acme/sessions?live=true', undefined, { as });
    expect(list.body.items).toEqual([]);
  });

  it('with a ticket without the scope "read" reads nothing', async () => {
    const { ticket } = await http.deps.tickets.mint({
      org: 'acme',
      user: 'ann',
      scopes: ['record'],
    });
    const answer = await http.call('GET', '/v1/orgs/acme/usage', undefined, { as: ticket });
    expect([answer.status, answer.body.code]).toEqual([403, 'notAllowed']);
  });

  it('with an expired ticket is told to get a new one', async () => {
    const as = await http.ticket('acme', 'ann');
    await http.advance(120_000);
    const answer = await http.call('GET', '/v1/orgs/acme/usage', undefined, { as });
    expect([answer.status, answer.body.code]).toEqual([401, 'ticketStale']);
  });

  it('with a ticket bound to an origin asks from there only', async () => {
    const { ticket: as } = await http.deps.tickets.mint({
      org: 'acme',
      user: 'ann',
      origin: 'https://app.example',
    });
    const from = async (origin: string) =>
      (await http.call('GET', '/v1/orgs/acme', undefined, { as, headers: { origin } })).status;
    expect(await from('https://app.example')).toBe(200);
    expect(await from('https://evil.example')).toBe(401);
  });
});

describe('an API key', () => {
  it('is stored hashed, and serves until it expires or is revoked', async () => {
    const status = async (as: string) =>
      (await http.call('GET', '/v1/plans', undefined, { as })).status;
    expect(await status(await http.makeKey(null))).toBe(200);
    expect(await status(await http.makeKey(null, { expiresAt: http.now() + 1_000 }))).toBe(200);
    expect(await status(await http.makeKey(null, { expiresAt: http.now() }))).toBe(401);
    expect(await status(await http.makeKey(null, { revokedAt: http.now() }))).toBe(401);
  });

  it('of development is refused in production', async () => {
    const production = http.with({ development: false });
    const answer = await production('GET', '/v1/plans');
    expect([answer.status, answer.body.code]).toEqual([401, 'keyInvalid']);
    const real = await production('GET', '/v1/plans', undefined, { as: await http.makeKey(null) });
    expect(real.status).toBe(200);
  });
});

describe('a browser page', () => {
  it('of an allowed origin may call with a ticket, of another it may not read the answer', async () => {
    const as = await http.ticket('acme', 'ann');
    const allow = async (origin: string, method = 'GET') => {
      const headers = { origin, 'access-control-request-method': 'GET' };
      const answer = await http.call(method, '/v1/orgs/acme/usage', undefined, { as, headers });
      return answer.headers.get('access-control-allow-origin');
    };
    expect(await allow('https://app.example')).toBe('https://app.example');
    expect(await allow('https://app.example', 'OPTIONS')).toBe('https://app.example');
    expect(await allow('https://app.example.evil')).toBeNull();
    expect(await allow('null')).toBeNull();
  });

  it('may read why it was refused', async () => {
    const headers = { origin: 'https://app.example' };
    const answer = await http.call('GET', '/v1/orgs/acme/usage', undefined, { as: 'x', headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('of any origin may ask why its socket was turned away', async () => {
    const call = http.with({
      turnedAway: (request) =>
        request.headers.get('origin') === 'https://evil.example'
          ? { code: 'originNotAllowed', detail: 'Pages of https://evil.example may not connect.' }
          : null,
    });
    const ask = (origin: string) =>
      call('GET', '/v1/connect', undefined, { as: null, headers: { origin } });
    const refused = await ask('https://evil.example');
    expect([refused.status, refused.body.code]).toEqual([403, 'originNotAllowed']);
    expect(refused.headers.get('access-control-allow-origin')).toBe('https://evil.example');
    const fine = await ask('https://app.example');
    expect([fine.status, fine.body.code]).toEqual([426, 'upgradeRequired']);
  });
});

describe('what goes wrong', () => {
  it('is a problem document for an unknown path, method, media type, size and text', async () => {
    const big = JSON.stringify({ name: 'x'.repeat(70_000) });
    const answers = [
      [await http.call('GET', '/v1/nothing'), 404, 'routeUnknown'],
      [await http.call('DELETE', '/v1/plans/basic'), 405, 'methodNotAllowed'],
      [
        await http.call('PUT', '/v1/plans/a', 'name=x', {
          headers: { 'content-type': 'text/plain' },
        }),
        415,
        'mediaTypeUnsupported',
      ],
      [await http.call('PUT', '/v1/plans/a', big), 413, 'bodyTooLarge'],
      [await http.call('PUT', '/v1/plans/a', '{"name":'), 422, 'invalid'],
      [await http.call('PUT', '/v1/plans/a', '[]'), 422, 'invalid'],
      [await http.call('PUT', '/v1/plans/a'), 422, 'invalid'],
      [await http.call('PUT', '/v1/plans/a', '{"name":"a\\u0000b"}'), 422, 'invalid'],
      [await http.call('POST', '/v1/api-keys', '{"name":"a\\u0000b"}'), 422, 'invalid'],
    ] as const;
    for (const [answer, status, code] of answers) {
      expect([answer.status, answer.body.code]).toEqual([status, code]);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(answer.body).toMatchObject({ type: `/docs#problem-${code}`, status });
      expect(answer.body.detail).toMatch(/\.$/);
    }
    expect(answers[1][0].headers.get('allow')).toContain('PUT');
  });

  it('is said in words that a person can act on', async () => {
    const cases: [string, object, string][] = [
      ['PUT /v1/plans/p', { name: ' ' }, 'name must have at least 1 character, not " ".'],
      ['PUT /v1/plans/p', { name: 'P', sessionsPerDay: 0.5 }, 'must be a whole number, not 0.5.'],
      [
        'PUT /v1/plans/p',
        { name: 'P', features: { 'a b': true } },
        '"a b" as a name must be 1 to 128 of A-Z a-z 0-9 . _ : -, first a letter or digit.',
      ],
      [
        'PUT /v1/plans/p',
        { name: 'P', features: { a: 1 } },
        'features.a must be a boolean, or must be an object, not 1.',
      ],
      [
        'POST /v1/orgs/acme/adjustments',
        { kind: 'goodwill', hours: -1, reason: 'x' },
        'hours must be above 0: goodwill gives, not -1.',
      ],
      [
        'POST /v1/orgs/acme/consume/undo',
        { consumption: 'x' },
        'consumption must be a valid UUID, not "x".',
      ],
      [
        'POST /v1/orgs/acme/usage-events',
        { kind: 'x', occurredAt: 'now' },
        'fit: occurredAt must be an instant with offset, like 2026-03-01T09:30:00Z, not "now".',
      ],
    ];
    for (const [route, body, words] of cases) {
      const [method, path] = route.split(' ') as [string, string];
      const answer = await http.call(method, path, body);
      expect([route, answer.status, answer.body.detail]).toEqual([
        ...[route, 422, expect.stringContaining(words)],
      ]);
    }
  });

  it('is 422 for an instant or a day of a year that no database keeps', async () => {
    const fits = (places: string[], values: string[]) =>
      places.flatMap((place) => values.map((value) => `/v1/orgs/acme/${place}=${value}`));
    const instants = ['0000-01-01T00:00:00Z', '9999-12-31T23:59:59-23:59'];
    const paths = [
      ...fits(['audit?from', 'shadow?to', 'usage-events?from'], instants),
      ...fits(['usage/history?to', 'usage/report?to'], ['0000-01-05', '0001-01-05', '9999-12-31']),
      ...fits(['usage-events/summary?to'], ['0000-01-05', '9999-12-31']),
    ];
    for (const path of paths) {
      const { status, body } = await http.call('GET', path);
      expect([path, status, body.detail]).toEqual([path, 422, expect.stringContaining('1970')]);
    }
    const lists: [path: string, list: string, ...unknown[]][] = [
      ['sessions', 'sessions', 'a'],
      ['adjustments', 'adjustments', 'a'],
      ['periods', 'periods'],
      ['shadow', 'shadow', 1],
      ['usage-events', 'usage-events', 'a'],
      ['extra-minutes', 'lots', 'a'],
    ];
    for (const [path, list, ...rest] of lists) {
      const key = JSON.stringify([list, Date.parse('-000001-01-01T00:00:00Z'), ...rest]);
      const cursor = Buffer.from(key).toString('base64url');
      const { status } = await http.call('GET', `/v1/orgs/acme/${path}?cursor=${cursor}`);
      expect([path, status]).toEqual([path, 422]);
    }
    for (const expiresAt of instants) {
      const { status } = await http.call('POST', '/v1/api-keys', { name: 'x', expiresAt });
      expect([expiresAt, status]).toEqual([expiresAt, 422]);
    }
  });

  it('is 503 with a time to come back while a store is away', async () => {
    const nowhere = connect('postgres://nobody@127.0.0.1:1/none');
    try {
      const withoutLedger = http.with({ db: nowhere.tenants });
      const ledger = await withoutLedger('GET', '/v1/orgs/acme/usage');
      expect([ledger.status, ledger.body.code]).toEqual([503, 'ledgerUnavailable']);
      expect(ledger.headers.get('retry-after')).not.toBeNull();
    } finally {
      await nowhere.stop();
    }
    const lost = createMeter({ redis: new Redis({ lazyConnect: true }), runId: () => null });
    const meter = await http.with({ meter: lost })('GET', '/v1/orgs/acme/usage');
    expect([meter.status, meter.body.code]).toEqual([503, 'meterUnavailable']);
    // What is written does not wait for the meter: the outbox keeps it for the worker.
    const put = await http.with({ meter: lost })('PUT', '/v1/orgs/acme/members/ann', {});
    expect(put.status).toBe(200);
  });

  it('unexpectedly tells an id that is in the log, and nothing else', async () => {
    const call = http.with({
      meterNow: () => {
        throw new Error('secret internals at 10.0.0.7');
      },
    });
    const answer = await call('GET', '/v1/orgs/acme/usage');
    expect([answer.status, answer.body.code]).toEqual([500, 'unexpected']);
    expect(JSON.stringify(answer.body)).not.toContain('internals');
    const id = answer.body.instance.replace('urn:uuid:', '');
    expect(answer.body.detail).toContain(id);
    expect(http.logged.some((line) => line.includes(id) && line.includes('internals'))).toBe(true);
  });

  it('never logs a credential', async () => {
    const ticket = await http.ticket('acme', 'ann');
    await http.with({ meterNow: () => Number.NaN })('GET', '/v1/orgs/acme/usage', undefined, {
      as: ticket,
    });
    expect(http.logged.join('')).not.toContain(ticket);
  });
});
