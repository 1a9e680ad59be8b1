/** Losses: a gateway, a worker, Redis emptied, restarted, rolled back. No second lost, none twice. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount } from './test-account.ts';
import { connectRecorder, type TestRecorder } from './test-recorder.ts';
import {
  endsExactly as endsInLedger,
  growsBeyond,
  record as recordSession,
  settlesAt,
} from './test-sessions.ts';

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
const record = () => recordSession(product, account);
const endsExactly = (recorder: TestRecorder, session: string, atLeastMs: number) =>
  endsInLedger(product, account.org, { recorder, session }, atLeastMs);

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
  await settlesAt(product, account.org, session, summary.recordedMs);
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
