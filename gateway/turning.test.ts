/**
 * Periods that turn on the running product: at the calendar's boundary by the test clock, and by hand,
 * under sessions of two gateways, with a member's limit and extra minutes in use.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../drizzle/client.ts';
import { meterNow, readClock } from '../drizzle/queries/clock.ts';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';

/** Ten minutes of meter time a second: the next full hour, where some zone has midnight, is near. */
const SPEED = 600;
const INTERVAL_MS = 200;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Messages under way, and an answer that is not spoken at once: real time. */
const SLACK_MS = 1_000 * SPEED;

interface Period {
  startsAt: string;
  endsAt: string;
  usedMs: number;
  closedBy: string;
  bySource: { planMs: number; extraMs: number };
}
interface Session {
  state: string;
  startedAt: string;
  recordedMs: number;
  overshootMs: number;
  settled: boolean;
  minutes: { index: number; period: string; ms: number }[];
}
interface Live {
  user: string;
  session: string;
  recorder: TestRecorder;
}

let product: TestProduct;
let now: () => number;
beforeAll(async () => {
  product = await startTestProduct({ gateways: 2, intervalMs: INTERVAL_MS, speed: SPEED });
  const database = connect(product.adminUrl, { scope: 'installation' });
  const clock = await readClock(database.db);
  await database.stop();
  now = () => meterNow(clock, Date.now());
}, 120_000);
afterAll(() => product?.stop(), 60_000);

const api = <Answer>(method: string, path: string, body?: unknown) =>
  product.api<Answer>(method, path, body);
const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

async function record(account: Account, user: string, gateway: number): Promise<Live> {
  const recorder = await connectRecorder(product.gateways[gateway]!.connectUrl);
  const { session } = await recorder.start({ ticket: await account.ticket(user) });
  return { user, session, recorder };
}

/** Stops all and waits for the ledger. Answers how much of each is in the period from that instant. */
async function endAll(org: string, live: Live[]) {
  for (const { recorder } of live) await recorder.stop();
  const ended = [];
  for (const { user, session } of live) {
    const row = await until(
      () => api<Session>('GET', `/v1/sessions/${session}?org=${org}`),
      (it) => it.settled,
      30_000,
    );
    const of = (from: string) =>
      sum(row.minutes.filter((it) => it.period === from).map((it) => it.ms));
    expect(sum(row.minutes.map((it) => it.ms))).toBe(row.recordedMs - row.overshootMs);
    ended.push({ user, row, of });
  }
  return ended;
}

it('the calendar’s boundary parts what runs across it, by organization, member and source', async () => {
  // A quarter of an hour at least is recorded before it.
  const boundary = Math.ceil((now() + HOUR_MS / 4) / HOUR_MS) * HOUR_MS;
  const hour = new Date(boundary).getUTCHours();
  const timeZone = hour <= 12 ? `Etc/GMT+${hour}` : `Etc/GMT-${24 - hour}`;
  const local = new Date(hour <= 12 ? boundary - hour * HOUR_MS : boundary + (24 - hour) * HOUR_MS);
  const account = await createAccount(product, { minutes: 5 });
  const { org, plan } = account;
  const anchorDay = local.getUTCDate();
  await api('PUT', `/v1/orgs/${org}`, { name: org, plan, timeZone, anchorDay });
  await api('PUT', `/v1/orgs/${org}/members/bob`, { minutes: 10_000 });
  const gift = { minutes: 50_000, kind: 'extra', reason: 'test' };
  await api('POST', `/v1/orgs/${org}/adjustments`, gift);
  const live = [
    await record(account, 'ann', 0),
    await record(account, 'bob', 1),
    await record(account, 'bob', 0),
  ];
  await until(
    async () => now(),
    (at) => at > boundary + 12 * MINUTE_MS,
    30_000,
  );
  const ended = await endAll(org, live);
  const { items } = await api<{ items: Period[] }>('GET', `/v1/orgs/${org}/periods`);
  const at = new Date(boundary).toISOString();
  const [next, old] = ['startsAt', 'endsAt'].map(
    (edge) => items.find((it) => Date.parse(it[edge as 'startsAt']) === boundary)!,
  );
  for (const { row, of } of ended) {
    const before = of(old!.startsAt);
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThanOrEqual(boundary - Date.parse(row.startedAt));
    expect(before).toBeGreaterThan(boundary - Date.parse(row.startedAt) - SLACK_MS);
    expect(of(next!.startsAt)).toBe(row.recordedMs - row.overshootMs - before);
  }
  expect(at).toBe(new Date(next!.startsAt).toISOString());
  expect(old!.usedMs).toBe(sum(ended.map(({ of }) => of(old!.startsAt))));
  expect(next!.usedMs).toBe(sum(ended.map(({ of }) => of(next!.startsAt))));
  // The plan is fresh, extra minutes are those that are left.
  for (const period of [old!, next!]) {
    expect(period.bySource.planMs).toBe(5 * MINUTE_MS);
    expect(period.bySource.extraMs).toBe(period.usedMs - 5 * MINUTE_MS);
  }
  const bob = await api<{ usedMs: number }>('GET', `/v1/orgs/${org}/usage?user=bob`);
  const ofBob = ended.filter(({ user }) => user === 'bob');
  expect(bob.usedMs).toBe(sum(ofBob.map(({ of }) => of(next!.startsAt))));
  const extra = await api<{ remainingMs: number }>('GET', `/v1/orgs/${org}/extra-minutes`);
  const drawn = sum(items.map((it) => it.bySource.extraMs));
  expect(extra.remainingMs).toBe(50_000 * MINUTE_MS - drawn);
});

it('a reset reaches sessions of both gateways soon, and the ledger agrees with every counter', async () => {
  const account = await createAccount(product, { minutes: 100_000 });
  const { org } = account;
  const live = [await record(account, 'ann', 0), await record(account, 'bob', 1)];
  await sleep(1_200);
  type Reset = { state: string; closed: Period; period: Period };
  const reset = () => api<Reset>('POST', `/v1/orgs/${org}/periods/reset`, { reason: 'a test' });
  const done = await reset();
  expect(done.state).toBe('done');
  expect(done.closed.endsAt).toBe(done.period.startsAt);
  const at = Date.parse(done.period.startsAt);
  const askedAt = performance.now();
  for (const { recorder } of live) {
    const heard = recorder.messages.length;
    // Its reading is of the new period: less than was used before.
    const isMoved = () =>
      recorder.messages
        .slice(heard)
        .some((it) => it.type === 'tick' && it.reading.usedMs < 2 * (now() - at) + SLACK_MS / 4);
    await until(
      async () => isMoved(),
      (it) => it,
      10_000,
    );
  }
  // Within a second on a machine at rest.
  expect(performance.now() - askedAt).toBeLessThan(5_000);
  await sleep(600);
  const ended = await endAll(org, live);
  const { items } = await api<{ items: Period[] }>('GET', `/v1/orgs/${org}/periods`);
  const [next, old] = items.slice(0, 2);
  expect(old!.closedBy).toBe('reset');
  for (const { row, of } of ended) {
    const before = of(old!.startsAt);
    expect(before).toBeLessThanOrEqual(at - Date.parse(row.startedAt));
    expect(before).toBeGreaterThan(at - Date.parse(row.startedAt) - SLACK_MS);
    expect(of(next!.startsAt)).toBe(row.recordedMs - row.overshootMs - before);
  }
  expect([old!.usedMs, next!.usedMs]).toEqual(
    [old!, next!].map(({ startsAt }) => sum(ended.map(({ of }) => of(startsAt)))),
  );
  type Answer = { state: string; isWell: boolean; found: unknown[] };
  const answer = await api<Answer>('POST', `/v1/orgs/${org}/reconcile`);
  expect(answer).toMatchObject({ state: 'done', isWell: true, found: [] });
  const { items: before } = await api<{ items: Answer[] }>('GET', `/v1/orgs/${org}/reconcile`);
  expect(before).toEqual([answer]);
});
