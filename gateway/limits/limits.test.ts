/** The limits as they are in production: two gateways as processes, their sockets counted together. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashApiKey } from '../../core/runtime/api-key.ts';
import { connect } from '../../drizzle/client.ts';
import { apiKeys } from '../../drizzle/schema/organizations.ts';
import { startTestProduct, type TestProduct } from '../../local/test-product.ts';
import { until } from '../test-account.ts';
import { connectRecorder, type TestRecorder } from '../test-recorder.ts';

const PER_ADDRESS = 12;
const PER_MEMBER = 3;
const PER_ORGANIZATION = 5;
const BURST = 60;

let product: TestProduct;
const key = `tmk_${randomBytes(24).toString('base64url')}`;
let open: TestRecorder[] = [];
beforeAll(async () => {
  product = await startTestProduct({
    production: true,
    gateways: 2,
    intervalMs: 500,
    env: {
      ...{ TICKET_SECRETS: 't'.repeat(40), CHECKPOINT_SECRETS: 'c'.repeat(40) },
      MAX_SOCKETS_PER_ADDRESS: String(PER_ADDRESS),
      MAX_SOCKETS_PER_MEMBER: String(PER_MEMBER),
      MAX_SOCKETS_PER_ORGANIZATION: String(PER_ORGANIZATION),
      ...{ API_REQUESTS_PER_SECOND: '1', API_REQUESTS_BURST: String(BURST) },
    },
  });
  const { db, stop } = connect(product.adminUrl, { scope: 'installation' });
  for (const [id, text] of Object.entries({ backend: key, other: `${key}2` })) {
    await db.insert(apiKeys).values({ id, name: id, keyHash: hashApiKey(text), orgs: null });
  }
  await stop();
  await ask('PUT', '/v1/plans/p', { name: 'p', minutes: 60 });
  for (const org of ['acme', 'other'])
    await ask('PUT', `/v1/orgs/${org}`, { name: org, plan: 'p' });
}, 120_000);
afterAll(async () => {
  leaveAll();
  await product?.stop();
});

async function ask(method: string, path: string, body?: object, as = key, gateway = 0) {
  const response = await fetch(`${product.gatewayUrls[gateway]}${path}`, {
    method,
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: bodies are what the tests look into
  const answer: any = await response.json();
  return { status: response.status, headers: response.headers, body: answer };
}
async function join(gateway: number): Promise<TestRecorder> {
  const recorder = await connectRecorder(product.gateways[gateway]!.connectUrl);
  open.push(recorder);
  return recorder;
}
/** Starts as this member; the code it is closed with, or null where it is let in. */
async function start(gateway: number, org: string, user: string): Promise<number | null> {
  const { body } = await ask('POST', '/v1/tickets', { org, user });
  const recorder = await join(gateway);
  recorder.send({ type: 'start', ticket: body.ticket });
  return recorder.next('started').then(
    () => null,
    async () => (await recorder.closed).code,
  );
}
function leaveAll(): void {
  for (const recorder of open) recorder.cut();
  open = [];
}

describe('sockets', () => {
  it('of a member are limited over both gateways; others are let in', async () => {
    const codes = [];
    for (let i = 0; i < PER_MEMBER + 1; i++) codes.push(await start(i % 2, 'acme', 'ann'));
    expect(codes).toEqual([null, null, null, 1013]);
    expect(open.at(-1)!.messages.at(-1)).toMatchObject({ type: 'error', code: 'tryAgainLater' });
    expect(await start(1, 'acme', 'bob')).toBeNull();
    expect(await start(0, 'acme', 'bob')).toBeNull();
    // The organization is full by now, for whichever member.
    expect(await start(1, 'acme', 'cem')).toBe(1013);
    expect(await start(0, 'other', 'ann')).toBeNull();
    open[0]!.cut();
    await until(
      () => start(1, 'acme', 'cem'),
      (code) => code === null,
    );
    leaveAll();
  });

  it('of an address are limited over both gateways, and refused before their upgrade', async () => {
    // Those of the test before are seen to be gone.
    const fill = async () => {
      leaveAll();
      for (let i = 0; i < PER_ADDRESS; i++) await join(i % 2);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return open.filter(({ messages }) => messages.length === 0).length;
    };
    await until(fill, (count) => count === PER_ADDRESS, 40_000);
    const more = await Promise.allSettled([join(0), join(1)]);
    for (const one of more) {
      if (one.status === 'rejected') expect(String(one.reason)).toContain('503');
      else expect((await one.value.closed).code).toBe(1013);
    }
    expect(open.slice(0, PER_ADDRESS).every(({ messages }) => messages.length === 0)).toBe(true);
    leaveAll();
  });
});

describe('API requests', () => {
  it('are limited a key over both gateways, with the headers to slow down by', async () => {
    const other = `${key}2`;
    const answers = [];
    for (let i = 0; i < BURST; i++)
      answers.push(await ask('GET', '/v1/plans', undefined, other, i % 2));
    const first = answers[0]!;
    expect(first.headers.get('ratelimit-policy')).toBe(`"credentials";q=${BURST};w=${BURST}`);
    expect(first.headers.get('ratelimit')).toMatch(
      new RegExp(`^"credentials";r=${BURST - 1};t=\\d+$`),
    );
    const late = [];
    for (let i = 0; i < 20; i++) late.push(await ask('GET', '/v1/plans', undefined, other, i % 2));
    const refused = late.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({ code: 'rateLimited', status: 429 });
    expect(refused?.headers.get('content-type')).toBe('application/problem+json');
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    // Nobody else pays for it.
    expect((await ask('GET', '/v1/plans')).status).toBe(200);
  });
});
