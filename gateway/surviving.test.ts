/** Losses: a gateway, a worker, Redis emptied, restarted, rolled back. No second lost, none twice. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';

interface SessionAnswer {
  state: string;
  recordedMs: number;
  overshootMs: number;
  minutes: { index: number; ms: number }[];
}

/** A minute of meter time a second, so that whole minutes settle while the test looks on. */
const SPEED = 60;
const INTERVAL_MS = 200;
let product: TestProduct;
let account: Account;
beforeAll(async () => {
  product = await startTestProduct({ gateways: 2, intervalMs: INTERVAL_MS, speed: SPEED });
}, 120_000);
beforeEach(async () => {
  account = await createAccount(product, { minutes: 600 });
});
afterAll(() => product?.stop());

const connect = (gateway = 0) => connectRecorder(product.gateways[gateway]!.connectUrl);
const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

async function record(gateway = 0, forMs = 2 * 60_000) {
  const recorder = await connect(gateway);
  const { session } = await recorder.start({ ticket: await account.ticket() });
  const { reading } = await recorder.next('tick', (tick) => tick.reading.sessionMs > forMs);
  return { recorder, session, acknowledgedMs: reading.sessionMs };
}

/** Waits for the meter to acknowledge more than it had. */
async function growsBeyond(recorder: TestRecorder, totalMs: number): Promise<number> {
  const tick = await recorder.next('tick', ({ reading }) => reading.sessionMs > totalMs);
  return tick.reading.sessionMs;
}

/** Stops it and expects the ledger to hold every acknowledged millisecond, once. */
async function endsExactly(recorder: TestRecorder, session: string, atLeastMs: number) {
  const { summary } = await recorder.stop();
  expect(summary.recordedMs).toBeGreaterThanOrEqual(atLeastMs);
  const row = await until(
    () =>
      product
        .api<SessionAnswer>('GET', `/v1/sessions/${session}?org=${account.org}`)
        .catch(() => null),
    (answer) =>
      answer?.state === 'ended' &&
      sum(answer.minutes.map(({ ms }) => ms)) + answer.overshootMs === summary.recordedMs,
    30_000,
  );
  expect(row!.minutes.map(({ index }) => index)).toEqual(row!.minutes.map((_, index) => index));
}

it('goes on after Redis was emptied under a live session', async () => {
  const { recorder, session, acknowledgedMs } = await record();
  const redis = new Redis(product.redisUrl);
  await redis.flushall();
  redis.disconnect();
  const later = await growsBeyond(recorder, acknowledgedMs + 3 * 60_000);
  await endsExactly(recorder, session, later);
});

it('goes on after Redis was ended and started again', async () => {
  const { recorder, session, acknowledgedMs } = await record();
  await product.restartRedis();
  const later = await growsBeyond(recorder, acknowledgedMs + 3 * 60_000);
  await endsExactly(recorder, session, later);
});

it('goes on after Redis came back with older data', async () => {
  const { recorder, session, acknowledgedMs } = await record();
  let copy = '';
  await product.restartRedis(async (folder) => {
    copy = join(folder, '..', `copy-${session}`);
    await cp(folder, copy, { recursive: true });
  });
  const later = await growsBeyond(recorder, acknowledgedMs + 3 * 60_000);
  await product.restartRedis(async (folder) => {
    await rm(folder, { recursive: true });
    await cp(copy, folder, { recursive: true });
  });
  const last = await growsBeyond(recorder, later + 3 * 60_000);
  await endsExactly(recorder, session, last);
});

it('keeps the last word of a session that ended just before Redis was emptied', async () => {
  const { recorder, session } = await record();
  const { summary } = await recorder.stop();
  const redis = new Redis(product.redisUrl);
  await redis.flushall();
  redis.disconnect();
  await until(
    () =>
      product
        .api<SessionAnswer>('GET', `/v1/sessions/${session}?org=${account.org}`)
        .catch(() => null),
    (answer) =>
      answer?.state === 'ended' && sum(answer.minutes.map(({ ms }) => ms)) === summary.recordedMs,
    30_000,
  );
});

it('resumes by its checkpoint after Redis was emptied while nobody was connected', async () => {
  const { recorder, session, acknowledgedMs } = await record();
  recorder.cut();
  const redis = new Redis(product.redisUrl);
  await redis.flushall();
  redis.disconnect();
  const again = await connect(1);
  const started = await again.resume({ session, checkpoint: recorder.checkpoint() });
  expect(started.reading.sessionMs).toBeGreaterThanOrEqual(acknowledgedMs);
  const later = await growsBeyond(again, started.reading.sessionMs);
  await endsExactly(again, session, later);
});

it('settles what was left when the worker was killed', async () => {
  const { recorder, session, acknowledgedMs } = await record();
  process.kill(product.worker.pid(), 'SIGKILL');
  const later = await growsBeyond(recorder, acknowledgedMs + 3 * 60_000);
  await endsExactly(recorder, session, later);
});

it('goes on elsewhere when its gateway drains, without a gap', async () => {
  const gateway = await product.addGateway();
  const recorder = await connectRecorder(gateway.connectUrl);
  const { session } = await recorder.start({ ticket: await account.ticket() });
  await growsBeyond(recorder, 60_000);
  const stopping = gateway.stop();
  await recorder.next('draining');
  const { code } = await recorder.closed;
  expect(code).toBe(1012);
  const again = await connect(0);
  const started = await again.resume({ session, checkpoint: recorder.checkpoint() });
  await stopping;
  await endsExactly(again, session, started.reading.sessionMs);
});

it('goes on elsewhere when its gateway was killed', async () => {
  const gateway = await product.addGateway();
  const recorder = await connectRecorder(gateway.connectUrl);
  const { session } = await recorder.start({ ticket: await account.ticket() });
  const acknowledged = await growsBeyond(recorder, 60_000);
  process.kill(gateway.pid(), 'SIGKILL');
  await recorder.closed;
  const again = await connect(0);
  const started = await again.resume({ session, checkpoint: recorder.checkpoint() });
  expect(started.reading.sessionMs).toBeGreaterThanOrEqual(acknowledged);
  const later = await growsBeyond(again, started.reading.sessionMs);
  await endsExactly(again, session, later);
});
