import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Decision } from './gate.ts';
import { ticketEndpoint as nextTicket } from './next.ts';
import { createTaximeter } from './taximeter.ts';
import { type App, FRAMEWORKS, type Running } from './test-frameworks.ts';
import { ok, problem, startUpstream, type Upstream } from './test-upstream.ts';

const READING = {
  ...{ binding: 'organization', sessionMs: 0, usedMs: 60_000, limitMs: 3_600_000 },
  ...{ remainingMs: 3_540_000, percent: 2, source: 'plan', extraRemainingMs: 0, burnRate: 0 },
  ...{ endsAt: null, periodEndsAt: '2026-06-01T00:00:00.000Z', at: '2026-05-20T12:00:00.000Z' },
};
const ALLOWED = { allowed: true, reason: null, binding: 'organization', reading: READING };
const allowed = ok({ ...ALLOWED, actions: [] });
const refused = (reason: string, actions: object[] = []) =>
  ok({ ...ALLOWED, allowed: false, reason, actions });
const COUNTED = {
  ...{ consumption: '7d3c9b3e-0000-4000-8000-000000000001', used: 3, limit: 5, remaining: 2 },
  resetsAt: '2026-05-21T00:00:00.000Z',
};
const counted = ok(COUNTED);
const TICKET = { ticket: 'eyJ.x.y', expiresAt: '2026-05-20T12:01:00.000Z', url: 'ws://x/v1' };
const ANN = { 'x-user': 'ann' };

let upstream: Upstream;
let decisions: Decision[];
const stops: (() => Promise<void>)[] = [];
beforeEach(async () => {
  upstream = await startUpstream();
  decisions = [];
  stops.push(upstream.stop);
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
const client = (url = upstream.url) => createTaximeter({ url, apiKey: 'a-key', attempts: 1 });
const onDecision = (decision: Decision) => void decisions.push(decision);
const done = async () => ({ status: 200, body: 'done' });
const failed = async () => ({ status: 422, body: 'no such export' });

describe.each(Object.entries(FRAMEWORKS))('on %s', (_, start) => {
  async function run(app: App): Promise<Running> {
    const running = await start({ handler: done, ...app });
    stops.push(running.stop);
    return running;
  }
  const withMinutes = (more: Partial<NonNullable<App['minutes']>> = {}, app: App = {}) =>
    run({ minutes: { taximeter: client(), onDecision, ...more }, ...app });
  const counting = (more: Partial<NonNullable<App['metered']>> = {}, app: App = {}) =>
    run({ metered: { taximeter: client(), onDecision, feature: 'export', ...more }, ...app });

  describe('requireMinutes', () => {
    it('asks for who is signed in, lets in, and says what remains', async () => {
      upstream.script(allowed);
      const app = await withMinutes({ asks: { plannedMs: 90_000 } });
      const answer = await app.call(ANN);
      expect([answer.status, await answer.text(), app.runs()]).toEqual([200, 'done', 1]);
      expect(answer.headers.get('taximeter-remaining-ms')).toBe('3540000');
      expect(answer.headers.get('taximeter-resets-at')).toBe(READING.periodEndsAt);
      expect(upstream.heard[0]).toMatchObject({ url: '/v1/orgs/acme/check' });
      expect(JSON.parse(upstream.heard[0]!.body)).toEqual({ user: 'ann', plannedMs: 90_000 });
      expect(decisions).toEqual([
        { outcome: 'allowed', who: { org: 'acme', user: 'ann' }, count: null },
      ]);
    });

    it.each([
      ['limitReached', 402],
      ['plannedTooLong', 402],
      ['featureNotAllowed', 403],
      ['organizationSuspended', 403],
      ['concurrencyLimit', 429],
      ['aReasonOfTomorrow', 403],
    ])(
      'answers %s with %i and what would help, without running the handler',
      async (code, status) => {
        const actions = [{ type: 'upgrade', url: 'https://app.example/plans' }];
        upstream.script(refused(code, actions));
        const app = await withMinutes();
        const answer = await app.call(ANN);
        expect([answer.status, app.runs()]).toEqual([status, 0]);
        expect(answer.headers.get('content-type')).toBe('application/problem+json');
        expect(answer.headers.get('cache-control')).toBe('no-store');
        const body = await answer.json();
        expect(body).toMatchObject({
          status,
          code,
          actions,
          type: `urn:taximeter:problem:${code}`,
        });
        expect(body.detail).toMatch(/^[A-Z].*\.$/);
        expect(decisions).toMatchObject([{ outcome: 'refused', refusal: { code } }]);
      },
    );

    it('says when to come again, by the clock that the meter is on', async () => {
      upstream.script(refused('limitReached', [{ type: 'wait', until: READING.periodEndsAt }]));
      const app = await withMinutes();
      const seconds = (Date.parse(READING.periodEndsAt) - Date.parse(READING.at)) / 1_000;
      expect((await app.call(ANN)).headers.get('retry-after')).toBe(String(seconds));
      upstream.script(refused('concurrencyLimit'));
      expect((await app.call(ANN)).headers.get('retry-after')).toMatch(/^\d+$/);
    });

    it('answers 401 where nobody is signed in, and asks nobody', async () => {
      const app = await withMinutes();
      const answer = await app.call();
      expect([answer.status, (await answer.json()).code, app.runs()]).toEqual([
        ...[401, 'notSignedIn', 0],
      ]);
      expect(upstream.heard).toEqual([]);
      expect(decisions).toMatchObject([{ outcome: 'refused', who: null }]);
    });
  });

  describe('when the meter cannot be asked', () => {
    it.each([
      ['it is away', (): string => 'http://127.0.0.1:1'],
      ['it says so', (): string => upstream.url],
    ])('refuses with 503 by default, lets in where told so, and records it: %s', async (_, url) => {
      upstream.script(problem(503, 'meterUnavailable', { 'retry-after': '7' }));
      const strict = await withMinutes({ taximeter: client(url()) });
      const answer = await strict.call(ANN);
      expect([answer.status, strict.runs()]).toEqual([503, 0]);
      expect((await answer.json()).code).toBe('meterUnavailable');
      expect(answer.headers.get('retry-after')).toBe(url() === upstream.url ? '7' : '2');
      const kind = await counting({ taximeter: client(url()), onUnavailable: 'allow' });
      expect((await kind.call(ANN)).status).toBe(200);
      expect(kind.runs()).toBe(1);
      expect(decisions).toMatchObject([
        { outcome: 'unavailable', isAllowed: false, count: null },
        // Enough to count it later, once.
        {
          ...{ outcome: 'unavailable', isAllowed: true },
          count: { feature: 'export', quantity: 1, idempotencyKey: expect.any(String) },
        },
      ]);
    });

    it('takes a rate that its own key is over for such a case, not for the person’s', async () => {
      upstream.script(problem(429, 'rateLimited', { 'retry-after': '3' }));
      const answer = await (await withMinutes()).call(ANN);
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '3']);
    });

    it.each([
      [401, 'keyInvalid'],
      [403, 'notAllowed'],
      [404, 'organizationUnknown'],
      [422, 'invalid'],
    ])('leaves what is its own fault to the app: %i %s', async (status, code) => {
      upstream.script(problem(status, code));
      const app = await counting({ onUnavailable: 'allow' });
      const answer = await app.call(ANN);
      expect([answer.status, await answer.text(), app.runs()]).toEqual([
        ...[500, 'failed: TaximeterProblem', 0],
      ]);
    });
  });

  describe('metered', () => {
    it('counts before the handler runs, and says what remains', async () => {
      upstream.script(counted);
      const app = await counting({ quantity: 2 });
      const answer = await app.call(ANN);
      expect([answer.status, await answer.text()]).toEqual([200, 'done']);
      expect(answer.headers.get('taximeter-remaining')).toBe('2');
      expect(answer.headers.get('taximeter-resets-at')).toBe(COUNTED.resetsAt);
      const [{ url, body }] = upstream.heard as [Upstream['heard'][number]];
      expect(url).toBe('/v1/orgs/acme/consume');
      expect(JSON.parse(body)).toEqual({ user: 'ann', feature: 'export', quantity: 2 });
    });

    it.each([
      [402, 'limitReached'],
      [402, 'costCeilingReached'],
      [403, 'featureNotAllowed'],
      [409, 'idempotencyKeyReused'],
    ])('hands the gateway’s refusal on: %i %s', async (status, code) => {
      upstream.script(problem(status, code));
      const app = await counting();
      const answer = await app.call(ANN);
      expect([answer.status, app.runs()]).toEqual([status, 0]);
      expect(await answer.json()).toMatchObject({ code, detail: `It was ${code}.`, actions: [{}] });
    });

    it('counts what failed, too, unless it is told to count successes', async () => {
      upstream.script(counted);
      const app = await counting({}, { handler: failed });
      expect((await app.call(ANN)).status).toBe(422);
      expect(upstream.heard.map(({ url }) => url)).toEqual(['/v1/orgs/acme/consume']);
    });

    it.each([
      ['answers 422', failed, 422],
      ['throws', async () => new Error('out of paper'), 500],
    ])(
      'gives back, before the answer goes out, where the handler %s',
      async (_, handler, status) => {
        upstream.script(counted);
        const app = await counting({ countOn: 'success' }, { handler });
        const answer = await app.call(ANN);
        expect(answer.status).toBe(status);
        // What it would say is not so any more.
        expect(answer.headers.get('taximeter-remaining')).toBeNull();
        expect(upstream.heard.map(({ url }) => url)).toEqual([
          ...['/v1/orgs/acme/consume', '/v1/orgs/acme/consume/undo'],
        ]);
        const [consume, undo] = upstream.heard;
        expect(JSON.parse(undo!.body)).toEqual({
          idempotencyKey: consume!.headers['idempotency-key'],
        });
        upstream.script(counted, problem(503, 'ledgerUnavailable'));
        expect((await app.call(ANN)).status).toBe(status);
        expect(decisions.at(-1)).toMatchObject({ outcome: 'notGivenBack', count: { quantity: 1 } });
      },
    );

    it('keeps what succeeded', async () => {
      upstream.script(counted);
      const app = await counting({ countOn: 'success' });
      expect((await app.call(ANN)).headers.get('taximeter-remaining')).toBe('2');
      expect(upstream.heard).toHaveLength(1);
    });

    it('counts every request, whatever name its sender gives it, unless names are asked for', async () => {
      upstream.script(counted);
      const keysOf = async (app: Running, users: string[]) => {
        upstream.heard.length = 0;
        for (const user of users) await app.call({ 'x-user': user, 'idempotency-key': 'job-1' });
        return upstream.heard.map(({ headers }) => headers['idempotency-key']);
      };
      expect(new Set(await keysOf(await counting(), ['ann', 'ann'])).size).toBe(2);
      const named = await keysOf(await counting({ isNamed: true }), ['ann', 'ann', 'bob']);
      expect(named[1]).toBe(named[0]);
      // A name that ann chose is not bob's.
      expect(named[2]).not.toBe(named[0]);
    });

    it('does not give back what another request of this name was counted for', async () => {
      upstream.script((response) => {
        response.setHeader('idempotency-replayed', 'true');
        counted(response, undefined as never);
      });
      const named = { countOn: 'success', isNamed: true } as const;
      const app = await counting(named, { handler: failed });
      expect((await app.call({ ...ANN, 'idempotency-key': 'job-1' })).status).toBe(422);
      expect(upstream.heard).toHaveLength(1);
    });
  });

  it('hands out tickets to who is signed in, and lets nobody keep them', async () => {
    upstream.script(ok(TICKET, 201));
    const app = await run({ ticket: { taximeter: client(), onDecision } });
    const answer = await app.call(ANN);
    expect([answer.status, await answer.json()]).toEqual([201, TICKET]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(JSON.parse(upstream.heard[0]!.body)).toEqual({ org: 'acme', user: 'ann' });
    expect((await app.call()).status).toBe(401);
    upstream.script(problem(503, 'draining'));
    expect((await app.call(ANN)).status).toBe(503);
    expect(JSON.stringify(decisions)).not.toContain(TICKET.ticket);
  });
});

it('asks for a ticket by organization and user alone, whatever else is known of who asks', async () => {
  upstream.script(ok(TICKET, 201));
  const ann = { org: 'acme', user: 'ann', name: 'Ann', email: 'ann@example.org' };
  const post = nextTicket({ taximeter: client(), who: () => ann });
  expect((await post(new Request('http://app.example/ticket'))).status).toBe(201);
  expect(JSON.parse(upstream.heard[0]!.body)).toEqual({ org: 'acme', user: 'ann' });
});
