/**
 * What is told of a session afterwards, on the whole product: goodwill while it runs, shadow mode,
 * receipts that the worker's own rows make, history, and reports over real sockets.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyReceipt } from '../core/receipt/verify.ts';
import { connect } from '../drizzle/client.ts';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { type Account, createAccount, until } from './test-account.ts';
import { connectRecorder } from './test-recorder.ts';
import { transportsHere } from './transport/test-transport.ts';

const SECONDS = 1 / 60;
const REPORT_ROWS = 12_000;

describe('what is told afterwards', () => {
  let product: TestProduct;
  beforeAll(async () => {
    product = await startTestProduct({ intervalMs: 500 });
    for (const transport of await transportsHere()) {
      if (transport !== 'ws') await product.addGateway({ TRANSPORT: transport });
    }
  }, 120_000);
  afterAll(() => product?.stop());

  const get = (path: string, gateway = product.gateways[0]!) =>
    fetch(`${gateway.url}${path}`, {
      headers: { authorization: `Bearer ${product.apiKey}` },
    });
  async function begin(account: Account, more: object = {}, user = 'ann') {
    const recorder = await connectRecorder(product.gateways[0]!.connectUrl);
    const started = await recorder.start({ ticket: await account.ticket(user), ...more });
    return { recorder, session: started.session };
  }
  async function receipt(account: Account, session: string): Promise<Buffer> {
    const path = `/v1/sessions/${session}/receipt?org=${account.org}`;
    const answer = await until(
      () => get(path),
      ({ status }) => status !== 409,
    );
    expect(answer.status).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  }

  it('gives minutes back to a running session within a second, and its receipt says it all', async () => {
    const account = await createAccount(product, {
      minutes: 6 * SECONDS,
      thresholds: { percent: [], remainingMinutes: [5 * SECONDS] },
    });
    const { recorder, session } = await begin(account);
    const open = await get(`/v1/sessions/${session}/receipt?org=${account.org}`);
    expect([open.status, open.headers.get('retry-after')]).toEqual([409, '2']);
    const low = await recorder.next('warning');
    // What was settled of it so far may be given back: its first minute is, once it pauses.
    const tick = await recorder.next('tick', ({ reading }) => reading.sessionMs > 2_000);
    recorder.send({ type: 'beat', seq: tick.seq, state: 'paused' });
    const body = { kind: 'goodwill', minutes: 2 * SECONDS, reason: 'The line broke', session };
    const url = `${product.gateways[0]!.url}/v1/orgs/${account.org}/adjustments`;
    const headers = {
      ...{ authorization: `Bearer ${product.apiKey}`, 'content-type': 'application/json' },
    };
    let givenAt = 0;
    await until(
      async () => {
        givenAt = performance.now();
        return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status;
      },
      (status) => status === 201,
    );
    expect((await recorder.next('recovered')).id).toBe(low.id);
    // A second, and what a busy machine adds.
    expect(performance.now() - givenAt).toBeLessThan(3_000);
    const paused = await recorder.next('tick', ({ seq }) => seq > tick.seq);
    recorder.send({ type: 'beat', seq: paused.seq, state: 'recording' });
    const { summary } = await recorder.next('ended');
    expect(summary.bySource).toEqual({ planMs: 6_000, extraMs: 2_000, overageMs: 0 });

    const bytes = await receipt(account, session);
    const keys = await (await fetch(`${product.gateways[0]!.url}/v1/receipt-keys`)).json();
    const verdict = verifyReceipt(bytes, keys);
    expect(verdict.findings.filter((it) => !it.holds)).toEqual([]);
    expect(verdict.receipt).toMatchObject({
      ...{ recordedMs: summary.recordedMs, chargedMs: 8_000, overshootMs: summary.overshootMs },
      ...{ bySource: summary.bySource, stoppedBy: 'organization', reason: 'limitReached' },
      lots: [{ source: 'adjustment', ms: 2_000 }],
      givenBack: [{ ms: 2_000, reason: 'The line broke' }],
      terms: { atStart: { plan: account.plan, planMs: 6_000, enforcement: 'enforce' } },
    });
    expect((await receipt(account, session)).equals(bytes)).toBe(true);
    const today = await product.api<{ total: object }>(
      ...(['GET', `/v1/orgs/${account.org}/usage/history`] as const),
    );
    expect(today.total).toMatchObject({ usedMs: 8_000, sessions: 1 });
  });

  it('in shadow mode stops nobody, meters exactly, and says what would have been', async () => {
    const account = await createAccount(product, {
      ...{ minutes: 1 * SECONDS, enforcement: 'shadow', concurrentSessions: 1 },
    });
    const one = await begin(account, {}, 'ann');
    const crowded = await begin(account, {}, 'bob');
    await one.recorder.next('tick', ({ reading }) => reading.sessionMs > 2_000);
    await crowded.recorder.stop();
    const late = await begin(account, { plannedMs: 60_000 }, 'ann');
    await late.recorder.stop();
    expect(one.recorder.messages.some(({ type }) => type === 'stop')).toBe(false);
    const { reason, summary } = await one.recorder.stop();
    expect([reason, summary.overshootMs]).toEqual(['stopped', 0]);
    const bytes = await receipt(account, one.session);
    const { receipt: told } = JSON.parse(bytes.toString());
    expect(told.recordedMs).toBe(summary.recordedMs);
    expect(told.overage.shadowMs).toBe(told.bySource.overageMs);
    expect(told.overage.shadowMs).toBeGreaterThan(0);
    interface Shadow {
      items: { what: string; reason: string; binding: string; session: string }[];
      counts: { count: number }[];
    }
    const { items, counts } = await until(
      () => product.api<Shadow>('GET', `/v1/orgs/${account.org}/shadow`),
      (it) => it.items.length >= 3,
    );
    const found = items.map((it) => [it.what, it.reason, it.binding, it.session]);
    expect(found.sort()).toEqual(
      [
        ['refused', 'concurrencyLimit', 'concurrency', crowded.session],
        // As the meter decides: time before places.
        ['refused', 'limitReached', 'organization', late.session],
        ['stopped', 'limitReached', 'organization', one.session],
      ].sort(),
    );
    expect(counts.map(({ count }) => count)).toEqual([1, 1, 1]);
  });

  it('streams a long report, whole, and stops reading when nobody listens', async () => {
    const account = await createAccount(product, { minutes: 10 });
    const worker = connect(product.databaseUrl);
    const month = '2026-05-01';
    await product.api('GET', `/v1/orgs/${account.org}/usage`);
    await worker.sql`
      insert into sessions (org, id, user_id, started_at, start_month, first_period, last_period, state,
        ended_at, recorded_ms, overshoot_ms, generation)
      select ${account.org}, 's' || i, ${`u-${randomBytes(40).toString('hex')}`},
        now() - interval '1 minute', ${month}, b.starts_at, b.starts_at, 'closed', now(), 90, 90, 0
      from generate_series(1, ${REPORT_ROWS}::int) i, billing_periods b where b.org = ${account.org}`;
    await worker.stop();
    const path = `/v1/orgs/${account.org}/usage/report?by=session`;
    for (const gateway of product.gateways) {
      const lines = (await (await get(path, gateway)).text()).split('\r\n');
      expect(lines.length).toBe(REPORT_ROWS + 2);
      expect(new Set(lines).size).toBe(REPORT_ROWS + 2);
      const answer = await get(path, gateway);
      expect(answer.headers.get('content-length')).toBeNull();
      const reader = answer.body!.getReader();
      await reader.read();
      await reader.cancel();
      expect((await get('/healthz', gateway)).status).toBe(200);
    }
  });
});
