import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleJobId } from '../core/jobs/job-id.ts';
import { QueueName, type SettlePayload } from '../core/jobs/queues.ts';
import { NAMESPACE } from '../core/meter/keys.ts';
import { createLog } from '../core/runtime/log.ts';
import { openQueue } from '../core/runtime/queue.ts';
import { createStopList, type StopList } from '../core/runtime/stop.ts';
import { meterNow, readClock } from '../drizzle/queries/clock.ts';
import { sessions } from '../drizzle/schema/sessions.ts';
import { startTestRedis, type TestRedis } from '../local/test-redis.ts';
import { readConfig, type WorkerConfig } from './config.ts';
import {
  createTestLedger,
  MINUTE_MS,
  type TestLedger,
  type TestOrganization,
} from './test-ledger.ts';
import { startWorker } from './worker.ts';

const log = createLog({ name: 'test', level: 'silent' });
const NEVER_MS = 3_600_000;
const PATIENCE = { timeout: 20_000, interval: 50 };

let redis: TestRedis;
let ledger: TestLedger;
beforeAll(async () => {
  redis = await startTestRedis();
  ledger = await createTestLedger(redis.url, NAMESPACE);
});
afterAll(async () => {
  await ledger.stop();
  await redis.stop();
});

interface Running {
  stops: StopList;
  operationsPort: number;
}

async function start(changes: Partial<WorkerConfig> = {}): Promise<Running> {
  const env = { REDIS_URL: redis.url, DATABASE_URL: ledger.database.url };
  const config = {
    ...readConfig({ ...env, OPERATIONS_PORT: '0', DEVELOPMENT: '1' }),
    ...changes,
  };
  const stops = createStopList({ log, deadlineMs: 15_000, exit: () => {} });
  const { operationsPort } = await startWorker(config, log, stops);
  return { stops, operationsPort };
}

const settledMs = async ({ org }: TestOrganization) => {
  const rows = await ledger.connection.db.select().from(sessions).where(eq(sessions.org, org));
  return rows.reduce((sum, row) => sum + row.settledMs, 0);
};
const healthy = async (port: number, path = 'healthz') =>
  (await fetch(`http://127.0.0.1:${port}/${path}`)).status;

async function recordMinute(acme: TestOrganization): Promise<string[]> {
  await acme.open('s1');
  await ledger.advance(MINUTE_MS);
  await acme.beat('s1', MINUTE_MS);
  return (await acme.pending()).map((item) => item.field);
}

describe('a worker', () => {
  it('makes an empty Redis serve, and settles what a job names', async () => {
    const worker = await start({ unsettledSweepMs: NEVER_MS });
    expect(await healthy(worker.operationsPort)).toBe(200);
    expect(await healthy(worker.operationsPort, 'readyz')).toBe(200);
    const acme = await ledger.account();
    const fields = await recordMinute(acme);
    const queue = openQueue<SettlePayload>({ url: redis.url, name: QueueName.settle, log });
    await queue.queue.waitUntilReady();
    // A malformed one in front of it is no obstacle.
    await queue.queue.add('minutes', { shard: 999, fields: [] }, { jobId: settleJobId(1) });
    await queue.queue.add('minutes', { shard: acme.shard, fields });
    await expect.poll(() => settledMs(acme), PATIENCE).toBe(MINUTE_MS);
    await queue.stop();
    const metrics = await fetch(`http://127.0.0.1:${worker.operationsPort}/metrics`);
    expect(await metrics.text()).toMatch(/taximeter_worker_settled_minutes_total 1\n/);
    expect(await worker.stops.stop('test')).toBe(true);
    await expect(healthy(worker.operationsPort)).rejects.toThrow();
  });

  it('settles what no job names: a wiped queue loses nothing', async () => {
    const acme = await ledger.account();
    await recordMinute(acme);
    const worker = await start({ unsettledSweepMs: 200 });
    await expect.poll(() => settledMs(acme), PATIENCE).toBe(MINUTE_MS);
    await worker.stops.stop('test');
  });

  it('recovers a Redis that is emptied under it, and ends what nobody comes back for', async () => {
    const acme = await ledger.account();
    await recordMinute(acme);
    const worker = await start({
      unsettledSweepMs: 200,
      sessionSweepMs: 200,
      resumeWindowMs: 1500,
    });
    await expect.poll(() => settledMs(acme), PATIENCE).toBe(MINUTE_MS);
    await ledger.redis.redis.flushall();
    const ended = async () =>
      (await ledger.connection.db.select().from(sessions).where(eq(sessions.org, acme.org)))[0];
    await expect
      .poll(ended, PATIENCE)
      .toMatchObject({ state: 'closed', reason: 'disconnected', recordedMs: MINUTE_MS });
    await worker.stops.stop('test');
  });

  it('shares the work with another one, and neither does it twice', async () => {
    const workers = await Promise.all([1, 2].map(() => start({ unsettledSweepMs: 100 })));
    const all = await Promise.all([1, 2, 3, 4].map(() => ledger.account()));
    for (const acme of all) await recordMinute(acme);
    for (const acme of all) {
      await expect.poll(() => settledMs(acme), PATIENCE).toBe(MINUTE_MS);
      await expect.poll(() => acme.pending(), PATIENCE).toEqual([]);
      expect(await acme.budget()).toMatchObject({ usedMs: MINUTE_MS, planMs: MINUTE_MS });
    }
    await Promise.all(workers.map((worker) => worker.stops.stop('test')));
  });

  it('sets the test clock, without a step, where it is told a speed', async () => {
    const before = meterNow(await readClock(ledger.connection.db), Date.now());
    const worker = await start({ speed: 60 });
    const clock = await readClock(ledger.connection.db);
    expect(clock).toMatchObject({ speed: 60, frozen: false, meterBaseAt: before });
    const later = clock.realBaseAt + 1000;
    expect(meterNow(clock, later)).toBe(before + 60_000);
    const reply = await ledger.meter.pending(0, { limit: 1 });
    expect(reply.status === 'ok' && reply.now).toBeGreaterThanOrEqual(before);
    await worker.stops.stop('test');
  });
});
