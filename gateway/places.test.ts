/** Places for sessions at once, sessions a day, and the queue: over real sockets, gateways and losses. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { QUEUE_LEASE_MS } from './admission-limits.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';

const STARTS = 100;
const PATIENCE_MS = 60_000;
let product: TestProduct;
beforeAll(async () => {
  product = await startTestProduct({
    ...{ gateways: 2, intervalMs: 500 },
    env: { RESUME_WINDOW_MS: '3000', SESSION_SWEEP_MS: '300', BEAT_TIMEOUT_MS: '2000' },
  });
}, 120_000);
afterAll(() => product?.stop());

const connect = (gateway = 0) => connectRecorder(product.gateways[gateway]!.connectUrl);

async function live(account: Account): Promise<{ session: string }[]> {
  const path = `/v1/orgs/${account.org}/sessions?live=true&limit=200`;
  return (await product.api<{ items: { session: string }[] }>('GET', path)).items;
}

/** What a start comes to: `started`, or the code and binding of its refusal. */
async function outcome(recorder: TestRecorder, message: object): Promise<string> {
  recorder.send({ type: 'start', ...message });
  return Promise.race([
    recorder.next('started').then(() => 'started'),
    recorder.next('refused').then(({ code, binding }) => `${code} ${binding}`),
  ]);
}

/** Many at once, every other one at the other gateway. */
async function storm(account: Account, user = (i: number) => `u${i}`) {
  const each = Array.from({ length: STARTS }, (_, i) => i);
  const tickets = await Promise.all(each.map((i) => account.ticket(user(i))));
  const recorders = await Promise.all(each.map((i) => connect(i % 2)));
  const outcomes = await Promise.all(
    recorders.map((recorder, i) => outcome(recorder, { ticket: tickets[i] })),
  );
  const counts: Record<string, number> = {};
  for (const it of outcomes) counts[it] = (counts[it] ?? 0) + 1;
  return { counts, recorders, started: recorders.filter((_, i) => outcomes[i] === 'started') };
}

async function stopAll(recorders: TestRecorder[]): Promise<void> {
  await Promise.all(recorders.map((recorder) => recorder.stop()));
}

describe('places', () => {
  it('a hundred racing starts take exactly those there are, and give them back', async () => {
    const account = await createAccount(product, { minutes: 600, concurrentSessions: 5 });
    const { counts, started } = await storm(account);
    expect(counts).toEqual({ started: 5, 'concurrencyLimit concurrency': 95 });
    await stopAll(started);
    const again = await storm(account);
    expect(again.counts.started).toBe(5);
    await stopAll(again.started);
  });

  it('are taken by sessions with and without a socket alike', async () => {
    const account = await createAccount(product, { minutes: 600, concurrentSessions: 5 });
    const ask = async (i: number) => {
      const response = await fetch(
        `${product.gateways[i % 2]!.url}/v1/orgs/${account.org}/sessions`,
        {
          method: 'POST',
          headers: {
            authorization: `Bearer ${product.apiKey}`,
            'content-type': 'application/json',
          },
          body: JSON.stringify({ user: `w${i}`, leaseSeconds: 5 }),
        },
      );
      return response.status;
    };
    const [{ counts, started }, ...statuses] = await Promise.all([
      storm(account),
      ...Array.from({ length: 50 }, (_, i) => ask(i)),
    ]);
    const made = statuses.filter((status) => status === 201).length;
    expect((counts.started ?? 0) + made).toBe(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(50 - made);
    await stopAll(started);
    // Nothing is told of those without a socket: their leases lapse.
    await until(
      () => live(account),
      (sessions) => sessions.length === 0,
      PATIENCE_MS,
    );
  });

  it('a member’s own are counted beside them', async () => {
    const account = await createAccount(product, { minutes: 600, concurrentSessions: 50 });
    const member = `/v1/orgs/${account.org}/members/ann`;
    await product.api('PUT', member, { concurrentSessions: 3 });
    const { counts, started } = await storm(account, () => 'ann');
    expect(counts).toEqual({ started: 3, 'concurrencyLimit concurrency': 97 });
    const other = await connect();
    expect(await outcome(other, { ticket: await account.ticket('ben') })).toBe('started');
    await stopAll([...started, other]);
  });

  it('of a killed gateway and of recorders that vanished come back by the sweep', async () => {
    const account = await createAccount(product, { minutes: 600, concurrentSessions: 2 });
    const doomed = await product.addGateway();
    const lost = await connectRecorder(doomed.connectUrl);
    await lost.start({ ticket: await account.ticket() });
    const vanished = await connect();
    await vanished.start({ ticket: await account.ticket() });
    const full = await outcome(await connect(), { ticket: await account.ticket() });
    expect(full).toBe('concurrencyLimit concurrency');
    process.kill(doomed.pid(), 'SIGKILL');
    vanished.cut();
    await until(
      () => live(account),
      (sessions) => sessions.length === 0,
      PATIENCE_MS,
    );
    const next = await connect();
    expect(await outcome(next, { ticket: await account.ticket() })).toBe('started');
    await next.stop();
    await doomed.stop();
  });

  it('in shadow are as many as come, and what would be refused is written down', async () => {
    const plan = { minutes: 600, concurrentSessions: 1, sessionsPerDay: 2, enforcement: 'shadow' };
    const account = await createAccount(product, plan);
    const recorders = await Promise.all([connect(), connect(1), connect()]);
    for (const recorder of recorders) await recorder.start({ ticket: await account.ticket() });
    const path = `/v1/orgs/${account.org}/shadow`;
    type Decisions = { items: { user: string; binding: string; allowed: number }[] };
    const { items } = await until(
      () => product.api<Decisions>('GET', path),
      (answer) => answer.items.length === 2,
    );
    const decided = items.map(({ user, binding, allowed }) => [user, binding, allowed]);
    expect(decided).toContainEqual(['ann', 'day', 2]);
    expect(decided).toContainEqual(['ann', 'concurrency', 1]);
    await stopAll(recorders);
  });
});

describe('sessions a day', () => {
  it('are exact for racing starts, and after Redis was emptied', async () => {
    const account = await createAccount(product, { minutes: 600, sessionsPerDay: 5 });
    const { counts, started } = await storm(account);
    expect(counts).toEqual({ started: 5, 'limitReached day': 95 });
    await until(
      () => product.api<{ items: unknown[] }>('GET', `/v1/orgs/${account.org}/sessions`),
      ({ items }) => items.length === 5,
    );
    const redis = new Redis(product.redisUrl);
    await redis.flushall();
    redis.disconnect();
    const late = await connect(1);
    expect(await outcome(late, { ticket: await account.ticket() })).toBe('limitReached day');
    const { actions, detail } = await late.next('refused');
    expect(detail).toContain('5 sessions have begun today');
    expect(actions).toContainEqual({ type: 'wait', until: expect.any(Number) });
    await stopAll(started);
    expect(await outcome(await connect(), { ticket: await account.ticket() })).toBe(
      'limitReached day',
    );
  });

  it('do not count what was refused; a member has its own', async () => {
    const plan = { minutes: 600, sessionsPerDay: 8, concurrentSessions: 3 };
    const account = await createAccount(product, plan);
    await product.api('PUT', `/v1/orgs/${account.org}/members/ann`, { sessionsPerDay: 4 });
    const first = await storm(account, () => 'ann');
    expect(first.counts.started).toBe(3);
    await stopAll(first.started);
    const second = await storm(account, () => 'ann');
    expect(second.counts).toMatchObject({ started: 1, 'limitReached day': 99 });
    await stopAll(second.started);
    const third = await storm(account, () => 'ben');
    expect(third.counts.started).toBe(3);
    await stopAll(third.started);
    expect((await storm(account, () => 'ben')).counts.started).toBe(1);
  });
});

describe('a session’s own longest length', () => {
  const extend = (session: string, maxSessionMinutes: number) =>
    product.api('POST', `/v1/sessions/${session}/extend?org=${session.split('.')[0]}`, {
      maxSessionMinutes,
    });

  it('reaches a running session: raised, kept when Redis is emptied, and lowered', async () => {
    const account = await createAccount(product, { minutes: 600, maxSessionMinutes: 0.1 });
    const recorder = await connect();
    const session = `${account.org}.a`;
    const { reading } = await recorder.start({ ticket: await account.ticket(), session });
    expect(reading).toMatchObject({ binding: 'session', limitMs: 6_000 });
    await extend(session, 5);
    await recorder.next('tick', ({ reading: { limitMs } }) => limitMs === 300_000);
    const redis = new Redis(product.redisUrl);
    await redis.flushall();
    redis.disconnect();
    const from = recorder.messages.length;
    const later = () => recorder.messages.slice(from).filter(({ type }) => type === 'tick');
    await until(
      async () => later().length,
      (ticks) => ticks > 4,
    );
    expect(later().at(-1)).toMatchObject({ reading: { limitMs: 300_000 } });
    await extend(session, 0.001);
    expect(await recorder.next('stop')).toMatchObject({
      ...{ reason: 'sessionLimit', binding: 'session' },
    });
    expect((await recorder.next('ended')).reason).toBe('sessionLimit');
  });

  it('is given to a running session that had none', async () => {
    const account = await createAccount(product, { minutes: null });
    const recorder = await connect();
    const session = `${account.org}.b`;
    await recorder.start({ ticket: await account.ticket(), session });
    await extend(session, 0.05);
    expect(await recorder.next('stop')).toMatchObject({ binding: 'session' });
    const { summary } = await recorder.next('ended');
    expect(summary.recordedMs - summary.overshootMs).toBe(3_000);
  });
});

describe('the queue', () => {
  const plan = { minutes: 600, concurrentSessions: 1, concurrencyQueue: { max: 6 } };

  async function wait(account: Account, gateway: string, user: string): Promise<TestRecorder> {
    const recorder = await connectRecorder(gateway);
    recorder.send({ type: 'start', ticket: await account.ticket(user), session: `s-${user}` });
    await recorder.next('queued');
    return recorder;
  }

  it('is in order over all gateways, one of which is killed, and never beyond the limit', async () => {
    const account = await createAccount(product, plan);
    const doomed = await product.addGateway();
    const urls = product.gateways.map(({ connectUrl }) => connectUrl);
    const first = await connect();
    await first.start({ ticket: await account.ticket('first') });
    const b = await wait(account, urls[0]!, 'b');
    const c = await wait(account, doomed.connectUrl, 'c');
    const d = await wait(account, urls[1]!, 'd');
    const e = await wait(account, doomed.connectUrl, 'e');
    expect((await e.next('queued')).position).toBe(4);
    let most = 0;
    const watching = setInterval(() => {
      void live(account).then(({ length }) => {
        most = Math.max(most, length);
      });
    }, 50);
    const from = performance.now();
    await first.stop();
    await b.next('started');
    expect(performance.now() - from).toBeLessThan(3_000);
    await d.next('queued', ({ position }) => position === 2);
    process.kill(doomed.pid(), 'SIGKILL');
    await Promise.all([c.closed, e.closed]);
    // e comes back at once and keeps its turn, behind d; c never does, and its turn lapses.
    const again = await wait(account, urls[1]!, 'e');
    expect((await again.next('queued')).position).toBeGreaterThan(1);
    await d.next('queued', ({ position }) => position === 1);
    expect(again.messages.some(({ type }) => type === 'started')).toBe(false);
    await b.stop();
    await d.next('started');
    await again.next('queued', ({ position }) => position === 1);
    await d.stop();
    await again.next('started');
    clearInterval(watching);
    expect(most).toBe(1);
    await again.stop();
    await doomed.stop();
  });

  it('has an end, and is left by who gives it up', async () => {
    const account = await createAccount(product, {
      ...{ minutes: 600, concurrentSessions: 1, concurrencyQueue: { max: 1, maxWaitSeconds: 2 } },
    });
    const first = await connect();
    await first.start({ ticket: await account.ticket('first') });
    const b = await wait(account, product.gateways[0]!.connectUrl, 'b');
    const full = await outcome(await connect(1), { ticket: await account.ticket('c') });
    expect(full).toBe('concurrencyLimit concurrency');
    b.leave();
    const next = await until(
      async () => {
        const recorder = await connect(1);
        recorder.send({ type: 'start', ticket: await account.ticket('c') });
        await Promise.race([recorder.next('queued'), recorder.next('refused')]);
        return recorder;
      },
      ({ messages }) => messages.at(-1)?.type === 'queued',
      // Sooner than its turn would lapse.
      QUEUE_LEASE_MS - 1_500,
    );
    const refused = await next.next('refused');
    expect(refused).toMatchObject({ code: 'concurrencyLimit', binding: 'concurrency' });
    expect(refused.detail).toContain('waited');
    await first.stop();
  });
});
