/**
 * The example against the whole product: real processes, a real socket, and a test clock that lets a
 * month end. The app is asked as its page asks it, and keeps no figure of its own.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MeterClient, type MeterState } from 'taximeter/client';
import { createTaximeter } from 'taximeter/server';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../drizzle/client.ts';
import { setSpeed } from '../../drizzle/queries/clock.ts';
import { startTestProduct, type TestProduct } from '../../local/test-product.ts';
import { createApp } from './app.js';
import { makePlans, PLANS } from './plans.js';

const SPEED = 60;
const MINUTE_MS = 60_000;
const JULY = Date.UTC(2026, 6, 1);
/** Enough for all that is done in June at this speed, and soon over at the highest one. */
const LEFT_OF_JUNE_MS = 100 * MINUTE_MS;

let product: TestProduct;
let server: Server;
let url: string;
beforeAll(async () => {
  const meterAt = JULY - LEFT_OF_JUNE_MS;
  product = await startTestProduct({ speed: SPEED, meterAt, intervalMs: 500 });
  const taximeter = createTaximeter({ url: product.gatewayUrls[0]!, apiKey: product.apiKey });
  await makePlans(taximeter);
  server = createApp({ taximeter, packageFolder: 'dist' }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve) ?? resolve(null));
  await product?.stop();
});

interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are what the test looks into
  body: any;
}
type Call = (method: string, path: string, body?: object) => Promise<Answer>;

/** A browser with its cookie. */
function browser(): Call {
  let cookie = '';
  return async (method, path, body) => {
    const headers = { cookie, 'content-type': 'application/json' };
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(`${url}/${path}`, { method, headers, ...init });
    cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie;
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(text) : text,
    };
  };
}

async function signUp(org: string, user: string): Promise<Call> {
  const call = browser();
  expect((await call('POST', 'sign-up', { org, user })).status).toBe(201);
  return call;
}

function recorder(call: Call) {
  const stops: string[] = [];
  const meter = new MeterClient({
    getTicket: async () => (await call('POST', 'ticket')).body,
    onStop: ({ reason }) => void stops.push(reason),
    WebSocket,
    speed: SPEED,
  });
  const until = (holds: (state: MeterState) => boolean) =>
    vi.waitFor(() => expect(holds(meter.getState())).toBe(true), { timeout: 20_000 });
  return { meter, stops, until };
}

/** As a start with another --speed: the rest of June need not be waited for. */
async function restartGateway(speed: number): Promise<void> {
  const [gateway] = product.gateways;
  await gateway!.stop();
  const admin = connect(product.adminUrl, { scope: 'installation' });
  await admin.db.transaction((tx) => setSpeed(tx, speed, Date.now()));
  await admin.stop();
  await product.addGateway({ PORT: String(gateway!.port) });
}

/** Routes that are agreed and not in the API yet are not driven yet. */
const api = readFileSync('server/api.d.mts', 'utf8');
const has = (path: string) => api.includes(`'${path}'`);

describe('the Express example', () => {
  let ann: Call;

  it('makes its plans, and an organization and a member of who signs up', async () => {
    expect((await browser()('POST', 'ticket')).status).toBe(401);
    ann = await signUp('acme', 'ann');
    expect(await product.api('GET', '/v1/plans/free')).toMatchObject(PLANS.free);
    expect(await product.api('GET', '/v1/orgs/acme')).toMatchObject({ plan: 'free' });
    expect(await product.api('GET', '/v1/orgs/acme/members/ann')).toMatchObject({ name: 'ann' });
    expect((await ann('GET', 'usage')).body).toMatchObject({
      ...{ plan: 'free', ofAll: { usedMs: 0, limitMs: 30 * MINUTE_MS } },
      own: { period: { endsAt: new Date(JULY).toISOString() } },
    });
    const wrong = await browser()('POST', 'sign-up', { org: 'no such id', user: 'ann' });
    expect([wrong.status, wrong.body.detail]).toEqual([422, expect.stringContaining('no such id')]);
  });

  it('checks what is planned, and says what would help where it does not fit', async () => {
    const fits = await ann('POST', 'meetings', { plannedMs: 20 * MINUTE_MS });
    expect(fits.status).toBe(201);
    expect(fits.headers.get('taximeter-remaining-ms')).toBe(String(30 * MINUTE_MS));
    const tooLong = await ann('POST', 'meetings', { plannedMs: 31 * MINUTE_MS });
    expect([tooLong.status, tooLong.body.code]).toEqual([402, 'plannedTooLong']);
    expect(tooLong.headers.get('content-type')).toBe('application/problem+json');
    expect(tooLong.body.actions).toBeInstanceOf(Array);
  });

  it('records, goes on with an upgrade in the middle, and stops at the member’s own limit', async () => {
    const { meter, stops, until } = recorder(ann);
    await meter.start();
    await until(({ reading }) => (reading?.sessionMs ?? 0) > 0);
    expect(meter.getState()).toMatchObject({ phase: 'recording' });
    expect(meter.getState().reading).toMatchObject({ limitMs: 30 * MINUTE_MS });

    expect((await ann('POST', 'upgrade')).body).toMatchObject({ name: 'acme', plan: 'pro' });
    await until(({ reading }) => reading?.limitMs === 600 * MINUTE_MS);
    const { own } = (await ann('GET', 'usage')).body;
    const minutes = Math.ceil(own.usedMs / MINUTE_MS) + 4;
    expect((await ann('PUT', 'members/ann', { minutes })).body).toMatchObject({ minutes });

    await until(({ phase }) => phase === 'ended');
    expect(stops).toEqual(['limitReached']);
    const { stop, summary } = meter.getState();
    expect(stop).toMatchObject({ binding: 'member' });
    expect(summary!.recordedMs - summary!.overshootMs).toBe(minutes * MINUTE_MS);
    expect((await ann('GET', 'usage')).body.own).toMatchObject({
      ...{ binding: 'member', usedMs: minutes * MINUTE_MS, remainingMs: 0 },
    });
    const refused = await ann('POST', 'meetings', { plannedMs: MINUTE_MS });
    expect([refused.status, refused.body.code]).toEqual([402, 'limitReached']);
    meter.close();
  });

  it.runIf(has('/v1/orgs/{org}/consume'))(
    'counts exports, gives back what failed, and refuses past the limit',
    async () => {
      const bob = await signUp('small', 'bob');
      const first = await bob('POST', 'exports', { meeting: 'monday' });
      expect([first.status, first.headers.get('taximeter-remaining')]).toEqual([201, '1']);
      expect((await bob('POST', 'exports', {})).status).toBe(422);
      expect((await bob('POST', 'exports', { meeting: 'friday' })).status).toBe(201);
      const refused = await bob('POST', 'exports', { meeting: 'sunday' });
      expect([refused.status, refused.body.code]).toEqual([402, 'limitReached']);
      expect(refused.body.detail).toContain('2 of 2');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    },
  );

  it('begins anew when the month is over', async () => {
    await restartGateway(1_000);
    const now = async () => (await ann('GET', 'usage')).body;
    await vi.waitFor(
      async () => expect(Date.parse((await now()).ofAll.period.startsAt)).toBe(JULY),
      { timeout: 25_000, interval: 200 },
    );
    expect((await now()).own).toMatchObject({ usedMs: 0 });
    expect((await ann('POST', 'meetings', { plannedMs: MINUTE_MS })).status).toBe(201);
    if (has('/v1/orgs/{org}/consume')) {
      const exported = await ann('POST', 'exports', { meeting: 'july' });
      expect(exported.headers.get('taximeter-remaining')).toBe('99');
    }
  });
});
