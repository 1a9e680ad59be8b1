/**
 * No secret reaches a log. A real gateway and worker at their most talkative, with marked secrets
 * everywhere, through joins, refusals and errors of every store; then their whole output is searched.
 */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { hashApiKey } from '../core/runtime/api-key.ts';
import { connect, type DatabaseConnection } from '../drizzle/client.ts';
import { apiKeys } from '../drizzle/schema/organizations.ts';
import { makeTestAccount } from '../local/test-account.ts';
import { createTestDatabase, type TestDatabase } from '../local/test-database.ts';
import { type RunningMain, startMain } from '../local/test-main.ts';
import { startTestRedis, type TestRedis } from '../local/test-redis.ts';
import { connectRecorder } from './test-recorder.ts';

const PATIENCE = { timeout: 40_000, interval: 50 };
/** Looked for in what was said. Tickets and checkpoints are added as they are made. */
const marks = new Map<string, string>();
function mark(what: string): string {
  const text = `${what.replaceAll(/\W/g, '')}-${randomBytes(12).toString('hex')}`;
  marks.set(what, text);
  return text;
}

let database: TestDatabase;
let redis: TestRedis;
let admin: DatabaseConnection;
let worker: DatabaseConnection;
let asks: Redis;
const started: RunningMain[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  redis = await startTestRedis();
  admin = connect(database.adminUrl, { scope: 'installation' });
  worker = connect(database.url);
  asks = new Redis(redis.url);
});
afterAll(async () => {
  for (const { process } of started) process.kill('SIGKILL');
  asks.disconnect();
  await Promise.all([admin.stop(), worker.stop()]);
  await redis.stop();
  await database.drop();
});

function start(main: 'gateway' | 'worker', env: Record<string, string>): RunningMain {
  const running = startMain(main, { LOG_LEVEL: 'trace', DEVELOPMENT: '1', ...env });
  started.push(running);
  return running;
}
const allSaid = (running: RunningMain) => running.said().out + running.said().err;

function withPassword(url: string, password: string): string {
  const address = new URL(url);
  address.password = password;
  return address.href;
}

it('are in nothing a gateway or worker says, whatever happens', { timeout: 150_000 }, async () => {
  const redisPassword = mark('the password of Redis');
  await asks.config('SET', 'requirepass', redisPassword);
  const secrets = {
    REDIS_URL: withPassword(redis.url, redisPassword),
    TICKET_SECRETS: mark('a ticket secret').padEnd(40, 'x'),
    CHECKPOINT_SECRETS: mark('a checkpoint secret').padEnd(40, 'x'),
    METADATA_KEYS: mark('a metadata key').padEnd(40, 'x'),
    RECEIPT_KEYS: mark('a receipt key').padEnd(40, 'x'),
    STRIPE_SECRET_KEY: `sk_test_${mark('a key of Stripe').replaceAll('-', '_')}`,
    STRIPE_WEBHOOK_SECRETS: `whsec_${mark('a webhook secret')}`,
    // Nobody answers there.
    STRIPE_API_URL: 'http://127.0.0.1:9',
  };
  marks.set('a key of Stripe', secrets.STRIPE_SECRET_KEY);
  marks.set('the password of Postgres', new URL(database.gatewayUrl).password);
  marks.set("the worker's password of Postgres", new URL(database.url).password);
  const gateway = start('gateway', { ...secrets, DATABASE_URL: database.gatewayUrl });
  const works = start('worker', { REDIS_URL: secrets.REDIS_URL, DATABASE_URL: database.url });
  await vi.waitFor(() => expect(allSaid(gateway)).toContain('the gateway serves'), PATIENCE);
  await vi.waitFor(() => expect(allSaid(works)).toContain('the worker works'), PATIENCE);
  // Those that can not start, beside them.
  const wrong = mark('a wrong password');
  const broken = [
    start('gateway', { ...secrets, DATABASE_URL: withPassword(database.gatewayUrl, wrong) }),
    start('worker', { ...secrets, DATABASE_URL: withPassword(database.url, wrong) }),
    start('gateway', {
      ...{ ...secrets, DATABASE_URL: database.gatewayUrl },
      REDIS_URL: withPassword(redis.url, wrong),
    }),
    start('gateway', { ...secrets, DATABASE_URL: `http://taximeter:${wrong}@127.0.0.1/none` }),
    start('gateway', {
      ...secrets,
      DATABASE_URL: database.url,
      TICKET_SECRETS: wrong.slice(0, 31),
    }),
  ];
  marks.set('a secret that is too short', wrong.slice(0, 31));
  const { port } = JSON.parse(
    gateway
      .said()
      .out.split('\n')
      .find((line) => line.includes('the gateway serves'))!,
  );

  const { org } = await makeTestAccount(worker.db);
  const key = mark('an API key');
  await worker.db.insert(apiKeys).values({ id: 'k', name: 'k', keyHash: hashApiKey(key) });
  async function call(method: string, path: string, body?: unknown, bearer = key) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        cookie: `session=${marks.get('a cookie') ?? mark('a cookie')}`,
        'content-type': 'application/json',
        ...(method === 'GET' ? {} : { 'idempotency-key': mark(`an idempotency key ${path}`) }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json().catch(() => null) };
  }
  const ticketOf = async (more: object = {}) => {
    const { body } = await call('POST', '/v1/tickets', { org, user: 'ann', ...more });
    marks.set(`a ticket ${marks.size}`, body.ticket);
    return body.ticket as string;
  };
  const url = `ws://127.0.0.1:${port}/v1/connect`;

  // Joins, a resume by checkpoint, a stop; then refusals.
  const ticket = await ticketOf();
  const metadata = { room: mark('metadata') };
  const recorder = await connectRecorder(url);
  const { session } = await recorder.start({ ticket, metadata });
  const checkpoint = recorder.checkpoint();
  marks.set('a checkpoint', checkpoint);
  recorder.cut();
  const again = await connectRecorder(url);
  await again.resume({ session, checkpoint });
  marks.set('a later checkpoint', again.checkpoint());
  await again.stop();
  const forged = `${ticket.slice(0, -8)}${randomBytes(4).toString('hex')}`;
  marks.set('a forged ticket', forged);
  for (const first of [
    { type: 'start', ticket },
    { type: 'start', ticket: forged },
    { type: 'start', ticket: mark('no ticket at all') },
    { type: 'resume', session, checkpoint: mark('no checkpoint at all') },
    { type: 'start', ticket: 7, metadata },
  ]) {
    const refused = await connectRecorder(url);
    refused.send(first);
    await refused.closed;
  }
  const offered = await connectRecorder(url, { protocols: ['taximeter.v1', `ticket.${forged}`] });
  offered.send({ type: 'start' });
  await offered.closed;

  // The API: refusals, and an error that nobody expects, with values in its statement.
  expect((await call('GET', '/v1/orgs', undefined, mark('a wrong API key'))).status).toBe(401);
  expect((await call('GET', '/v1/orgs', undefined, forged)).status).toBe(401);
  expect((await call('PUT', `/v1/orgs/${org}`, `{"${mark('a torn body')}`)).status).toBe(422);
  await admin.sql`alter table organization_members rename column email to elsewhere`;
  const member = { name: mark('a name'), email: `${mark('an address')}@example.org` };
  expect((await call('PUT', `/v1/orgs/${org}/members/eve`, member)).status).toBe(500);
  await admin.sql`alter table organization_members rename column elsewhere to email`;
  await admin.sql`alter table organization_members add check (length(email) < 9)`;
  expect((await call('PUT', `/v1/orgs/${org}/members/eve`, member)).status).toBe(500);

  // Payments: Stripe away, a forged webhook, and one whose secret is shown instead of used.
  const bought = { package: 'minutes-60' };
  expect((await call('POST', `/v1/orgs/${org}/extra-minutes/purchases`, bought)).status).toBe(503);
  const signed = await fetch(`http://127.0.0.1:${port}/v1/webhooks/stripe`, {
    method: 'POST',
    headers: { 'stripe-signature': `t=1,v1=${mark('a signature')}` },
    body: JSON.stringify({ id: 'evt_1', client_secret: mark("a browser's secret") }),
  });
  expect(signed.status).toBe(400);

  // Redis lets nobody in any more.
  const later = mark('a later password of Redis');
  await asks.config('SET', 'requirepass', later);
  await asks.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await asks.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  for (const each of [gateway, works]) {
    await vi.waitFor(() => expect(allSaid(each)).toMatch(/WRONGPASS|invalid.*password/i), PATIENCE);
  }
  expect((await call('GET', `/v1/orgs/${org}/usage`)).status).toBe(503);

  // Back again, so that they can come to their own end.
  await asks.config('SET', 'requirepass', redisPassword);
  await vi.waitFor(() => expect(allSaid(gateway)).toContain('to Redis is back'), PATIENCE);
  for (const each of broken) expect(await each.ended).toBe(1);
  for (const each of [gateway, works]) each.process.kill('SIGTERM');
  await Promise.all([gateway.ended, works.ended]);

  // What was to be provoked was: else this proves nothing.
  const said = allSaid(gateway);
  expect(said).toContain('a request failed');
  expect(said).toContain('Stripe does not answer');
  expect(said).toContain('a webhook was not accepted');
  expect(said).toContain('the connection to Redis failed');
  expect(said).toContain('Failed query: ');
  expect(broken.map(allSaid).join('')).toContain('password authentication failed');
  for (const [what, text] of marks) {
    for (const each of started) {
      const at = allSaid(each).indexOf(text);
      expect(
        at === -1 ? 'nowhere' : allSaid(each).slice(Math.max(0, at - 200), at + 80),
        what,
      ).toBe('nowhere');
    }
  }
  expect(marks.size).toBeGreaterThan(20);
});
