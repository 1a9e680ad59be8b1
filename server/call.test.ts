import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TaximeterProblem, TaximeterUnreachable } from './problem-error.ts';
import { delayMs, retryAfterMsOf } from './retry.ts';
import { createTaximeter } from './taximeter.ts';
import { cut, ok, problem, silent, startUpstream, type Upstream } from './test-upstream.ts';

const API_KEY = 'tmk_a-key-that-nobody-may-read';
const TICKET = { ticket: 'eyJ', expiresAt: '2026-05-20T12:00:00.000Z', url: 'ws://x/v1/connect' };

let upstream: Upstream;
beforeEach(async () => {
  upstream = await startUpstream();
});
afterEach(() => upstream.stop());

/** No waiting between attempts but what the gateway asks for. */
function client(options: Partial<Parameters<typeof createTaximeter>[0]> = {}) {
  return createTaximeter({ url: upstream.url, apiKey: API_KEY, random: () => 0, ...options });
}
const mint = (taximeter = client()) => taximeter.tickets.mint({ org: 'acme', user: 'ann' });
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it was answered'),
    (error: unknown) => error,
  );

describe('a call', () => {
  it('says who asks, what, and nothing in the URL', async () => {
    upstream.script(ok(TICKET, 201));
    expect(await mint()).toEqual(TICKET);
    const [request] = upstream.heard;
    expect(request).toMatchObject({ method: 'POST', url: '/v1/tickets' });
    expect(request!.headers.authorization).toBe(`Bearer ${API_KEY}`);
    expect(JSON.parse(request!.body)).toEqual({ org: 'acme', user: 'ann' });
  });

  it('writes ids into the path, whatever they look like, and leaves out what is not said', async () => {
    upstream.script(ok({}));
    await client({ url: `${upstream.url}/behind/a/proxy/` }).usage('a:b', { user: undefined! });
    await client().ask('get', '/v1/orgs/{org}', { path: { org: '../plans' } });
    expect(upstream.heard.map(({ url }) => url)).toEqual([
      '/behind/a/proxy/v1/orgs/a%3Ab/usage',
      '/v1/orgs/..%2Fplans',
    ]);
    expect(upstream.heard[0]!.headers['idempotency-key']).toBeUndefined();
    const missing = client().ask('get', '/v1/orgs/{org}', { path: { org: '' } });
    expect(await failure(missing)).toBeInstanceOf(TypeError);
  });
});

describe('another attempt', () => {
  it.each([
    ['the ledger is away', problem(503, 'ledgerUnavailable')],
    ['the key asks too often', problem(429, 'rateLimited')],
    ['a proxy finds no gateway', (response) => response.writeHead(502).end('<h1>Bad</h1>')],
    ['the connection is cut', (response) => response.destroy()],
    ['the answer is cut', cut],
  ] satisfies [string, Parameters<Upstream['script']>[0]][])('is made where %s', async (_, no) => {
    upstream.script(no, no, ok(TICKET, 201));
    expect(await mint()).toEqual(TICKET);
    const keys = upstream.heard.map(({ headers }) => headers['idempotency-key']);
    // One key: whatever the lost attempts did is done once.
    expect(keys).toHaveLength(3);
    expect(keys[0]).toMatch(/^[\x21-\x7e]{16,}$/);
    expect(new Set(keys).size).toBe(1);
  });

  it.each([
    [402, 'limitReached'],
    [403, 'featureNotAllowed'],
    [409, 'idempotencyKeyReused'],
    [422, 'invalid'],
    [429, 'concurrencyLimit'],
    [500, 'unexpected'],
  ])('is not made after a decision: %i %s', async (status, code) => {
    upstream.script(problem(status, code));
    expect(await failure(mint())).toMatchObject({ name: 'TaximeterProblem', status, code });
    expect(upstream.heard).toHaveLength(1);
  });

  it('waits as long as the gateway asks, and not at all where that would be too late', async () => {
    upstream.script(problem(503, 'draining', { 'retry-after': '1' }), ok(TICKET, 201));
    await mint();
    const [first, second] = upstream.heard;
    expect(second!.atMs - first!.atMs).toBeGreaterThanOrEqual(990);
    upstream.script(problem(503, 'draining', { 'retry-after': '600' }));
    expect(await failure(mint())).toMatchObject({ status: 503, retryAfterMs: 600_000 });
    expect(upstream.heard).toHaveLength(3);
  });

  it('is not the last word for ever', async () => {
    upstream.script(problem(503, 'meterUnavailable'));
    expect(await failure(mint())).toMatchObject({ code: 'meterUnavailable', status: 503 });
    expect(upstream.heard).toHaveLength(3);
    expect(await failure(mint(client({ attempts: 1 })))).toBeInstanceOf(TaximeterProblem);
    expect(upstream.heard).toHaveLength(4);
  });

  it('comes at its own instant: spread over a time that doubles, up to a bound', () => {
    const error = new TaximeterUnreachable('network', 1, { method: 'GET', path: '/' });
    expect([0, 1, 2, 9].map((attempt) => delayMs(attempt, error, 0.5))).toEqual([
      ...[100, 200, 400, 1_000],
    ]);
    expect(delayMs(9, error, 0)).toBe(0);
  });

  it('reads Retry-After as seconds and as a date, and nothing into nonsense', () => {
    const now = Date.UTC(2026, 4, 20, 12);
    expect(retryAfterMsOf('7', now)).toBe(7_000);
    expect(retryAfterMsOf('Wed, 20 May 2026 12:00:30 GMT', now)).toBe(30_000);
    expect(retryAfterMsOf('Wed, 20 May 2026 11:00:00 GMT', now)).toBe(0);
    expect([null, 'soon', '-3x'].map((it) => retryAfterMsOf(it, now))).toEqual([null, null, null]);
  });
});

describe('a call ends', () => {
  it('when nobody answers in time', async () => {
    upstream.script(silent);
    const timeouts = { attemptTimeoutMs: 60, timeoutMs: 5_000 };
    const error = await failure(mint(client(timeouts)));
    expect(error).toMatchObject({ name: 'TaximeterUnreachable', code: 'timeout', attempts: 3 });
    expect(upstream.heard).toHaveLength(3);
  });

  it('when all its time is over, whatever attempts are left', async () => {
    upstream.script(silent);
    const error = await failure(mint(client({ attempts: 1_000, timeoutMs: 150 })));
    expect(error).toMatchObject({ code: 'timeout', attempts: 1 });
  });

  it('when its caller ends it, with the caller’s own reason', async () => {
    upstream.script(silent);
    // Far beyond what this test may take.
    const patient = client({ attemptTimeoutMs: 120_000, timeoutMs: 120_000 });
    const ask = (signal: AbortSignal) => patient.usage('acme', {}, { signal });
    const gone = new Error('the person went away');
    expect(await failure(ask(AbortSignal.abort(gone)))).toBe(gone);
    expect(upstream.heard).toHaveLength(0);
    const abort = new AbortController();
    const asking = failure(ask(abort.signal));
    setTimeout(() => abort.abort(gone), 30);
    expect(await asking).toBe(gone);
    upstream.script(problem(503, 'draining', { 'retry-after': '5' }));
    const waiting = new AbortController();
    const waits = failure(ask(waiting.signal));
    setTimeout(() => waiting.abort(gone), 60);
    expect(await waits).toBe(gone);
  });
});

describe('an error', () => {
  it('has what the problem document has', async () => {
    upstream.script(problem(402, 'limitReached'));
    expect(await failure(mint())).toMatchObject({
      ...{ code: 'limitReached', status: 402, detail: 'It was limitReached.' },
      ...{ actions: [{ type: 'wait' }], message: 'It was limitReached.' },
      call: { method: 'POST', path: '/v1/tickets' },
    });
  });

  it('says so where what answers is no gateway, and repeats none of its words', async () => {
    upstream.script((response) => response.writeHead(200).end('<h1>Welcome to nginx</h1>'));
    const error = await failure(mint());
    expect(error).toMatchObject({ name: 'TaximeterProblem', code: 'unexpected' });
    expect(inspect(error)).not.toContain('nginx');
    upstream.script((response) => response.writeHead(307, { location: '/elsewhere' }).end());
    expect(await failure(mint())).toMatchObject({ status: 307, code: 'unexpected' });
  });

  it('never holds the key, and neither does the client', async () => {
    const answers = [silent, cut, problem(401, 'keyInvalid'), problem(500, 'unexpected')];
    const errors: unknown[] = [];
    for (const answer of answers) {
      upstream.script(answer);
      errors.push(await failure(mint(client({ attempts: 1, attemptTimeoutMs: 60 }))));
    }
    const nowhere = client({ url: 'http://127.0.0.1:1', attempts: 1 });
    errors.push(await failure(mint(nowhere)));
    expect(errors).toHaveLength(5);
    for (const error of [...errors, nowhere]) {
      const said = `${inspect(error, { depth: null, showHidden: true })}${JSON.stringify(error)}`;
      expect(said).not.toContain(API_KEY);
    }
  });

  it.each([
    { url: 'meter.example' },
    { url: 'ftp://meter.example' },
    { url: 'http://someone:s3cret@meter.example' },
    { url: 'http://meter.example?key=s3cret' },
    { apiKey: 's3cret\n' },
    { apiKey: '' },
    { apiKey: undefined as unknown as string },
    { timeoutMs: 0 },
    { attempts: Number.NaN },
  ])('names an option that cannot be, and no secret: %j', (wrong) => {
    const make = () => client(wrong);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(Object.keys(wrong)[0]!);
    expect(make).not.toThrow(/s3cret/);
  });
});
