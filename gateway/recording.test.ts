/** The road of one recorder and of several, on the whole product: real sockets, stores, processes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProduct, type TestProduct } from '../local/test-product.ts';
import { createAccount, until } from './test-account.ts';
import { connectRecorder } from './test-recorder.ts';
import { transportsHere } from './transport/test-transport.ts';

interface SessionAnswer {
  state: string;
  recordedMs: number;
  overshootMs: number;
  bySource: { planMs: number; extraMs: number; overageMs: number };
  minutes: { index: number; ms: number; planMs: number; extraMs: number }[];
}

const SECONDS = 1 / 60;
describe.each(await transportsHere())('the whole road over %s', (transport) => {
  let product: TestProduct;
  beforeAll(async () => {
    product = await startTestProduct({
      gateways: 2,
      intervalMs: 500,
      env: { TRANSPORT: transport },
    });
  }, 120_000);
  afterAll(() => product?.stop());

  const connect = (gateway = 0, options = {}) =>
    connectRecorder(product.gateways[gateway]!.connectUrl, options);

  /** The session as the ledger has it, once every minute of it has settled. */
  function settled(org: string, session: string, totalMs: number): Promise<SessionAnswer> {
    return until(
      () => product.api<SessionAnswer>('GET', `/v1/sessions/${session}?org=${org}`),
      ({ state, minutes, overshootMs }) =>
        state === 'ended' && sum(minutes.map(({ ms }) => ms)) + overshootMs === totalMs,
    );
  }
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

  it('meters a recorder from its start to a row in the ledger, to the millisecond', async () => {
    const account = await createAccount(product, { minutes: 10 });
    const recorder = await connect();
    const { session, resumed } = await recorder.start({ ticket: await account.ticket() });
    expect(resumed).toBe(false);
    await recorder.next('tick', ({ reading }) => reading.sessionMs > 0);
    const { reason, summary } = await recorder.stop();
    expect(reason).toBe('stopped');
    expect((await recorder.closed).code).toBe(1000);
    const row = await settled(account.org, session, summary.recordedMs);
    expect(row.recordedMs).toBe(summary.recordedMs);
    expect(row.bySource.planMs).toBe(summary.recordedMs);
  });

  it('warns at 80, 90 and 100 percent and stops at the limit, billing exactly the limit', async () => {
    const account = await createAccount(product, { minutes: 3 * SECONDS });
    const recorder = await connect();
    const { session } = await recorder.start({ ticket: await account.ticket() });
    const stop = await recorder.next('stop');
    expect(stop.reason).toBe('limitReached');
    expect(stop.binding).toBe('organization');
    expect(stop.actions.map(({ type }) => type)).toContain('buyExtraMinutes');
    const ended = await recorder.next('ended');
    expect((await recorder.closed).code).toBe(4500);
    const told = recorder.messages
      .filter((message) => message.type === 'warning')
      .map(({ threshold }) => ('percent' in threshold ? threshold.percent : null));
    expect(told).toEqual([80, 90, 100]);
    expect(ended.summary.recordedMs - ended.summary.overshootMs).toBe(3_000);
    const row = await settled(account.org, session, ended.summary.recordedMs);
    expect(sum(row.minutes.map(({ ms }) => ms))).toBe(3_000);
  });

  it('sends the last tick, the 100 percent warning and the stop in this order', async () => {
    const account = await createAccount(product, { minutes: 1 * SECONDS });
    const recorder = await connect();
    await recorder.start({ ticket: await account.ticket() });
    await recorder.next('stop');
    const { messages } = recorder;
    const before = messages.slice(
      0,
      messages.findIndex(({ type }) => type === 'stop'),
    );
    const lastTick = before.findLastIndex(({ type }) => type === 'tick');
    // On a machine that stood still for a moment, lower levels come with the last.
    const warnings = before.slice(lastTick + 1);
    expect(new Set(warnings.map(({ type }) => type))).toEqual(new Set(['warning']));
    expect(warnings.at(-1)).toMatchObject({ threshold: { percent: 100 } });
  });

  it('lets sessions on two gateways share one budget, and stops them all at its end', async () => {
    const account = await createAccount(product, { minutes: 6 * SECONDS });
    const recorders = await Promise.all([connect(0), connect(1), connect(1)]);
    await Promise.all(
      recorders.map(async (recorder, i) =>
        recorder.start({ ticket: await account.ticket(`u${i}`) }),
      ),
    );
    const ends = await Promise.all(recorders.map((recorder) => recorder.next('ended')));
    const charged = ends.map(({ summary }) => summary.recordedMs - summary.overshootMs);
    expect(sum(charged)).toBe(6_000);
    for (const recorder of recorders) {
      expect(recorder.messages.filter(({ type }) => type === 'warning')).toHaveLength(3);
    }
  });

  it('stops a recorder that does not cooperate, and bills nothing that it did not prove', async () => {
    const account = await createAccount(product, { minutes: 2 * SECONDS });
    const recorder = await connect(0, { savesAfterMs: null });
    await recorder.start({ ticket: await account.ticket() });
    await recorder.next('warning');
    recorder.answer(false);
    const closed = await recorder.closed;
    expect([4001, 4500]).toContain(closed.code);
    const usage = await product.api<{ usedMs: number }>('GET', `/v1/orgs/${account.org}/usage`);
    expect(usage.usedMs).toBeGreaterThan(1_500);
    expect(usage.usedMs).toBeLessThanOrEqual(2_000);
  });

  it('does not count paused time', async () => {
    const account = await createAccount(product, { minutes: 10 });
    const recorder = await connect();
    await recorder.start({ ticket: await account.ticket() });
    const tick = await recorder.next('tick');
    recorder.send({ type: 'beat', seq: tick.seq, state: 'paused' });
    const paused = await recorder.next('tick', ({ seq }) => seq > tick.seq);
    const later = await recorder.next('tick', ({ seq }) => seq > paused.seq + 2);
    expect(later.reading.sessionMs).toBe(paused.reading.sessionMs);
    expect(later.reading.burnRate).toBe(0);
    recorder.send({ type: 'beat', seq: later.seq, state: 'recording' });
    await recorder.next('tick', ({ reading }) => reading.sessionMs > later.reading.sessionMs);
  });

  it('resumes a session on another gateway by its checkpoint, as one session', async () => {
    const account = await createAccount(product, { minutes: 10 });
    const first = await connect(0);
    const { session, epoch } = await first.start({ ticket: await account.ticket() });
    const before = await first.next('tick', ({ reading }) => reading.sessionMs > 300);
    first.cut();
    const second = await connect(1);
    const resumed = await second.resume({ session, checkpoint: first.checkpoint() });
    expect(resumed.resumed).toBe(true);
    expect(resumed.epoch).toBeGreaterThan(epoch);
    expect(resumed.reading.sessionMs).toBeGreaterThanOrEqual(before.reading.sessionMs);
    const { summary } = await second.stop();
    const row = await settled(account.org, session, summary.recordedMs);
    expect(row.minutes.map(({ index }) => index)).toEqual([0]);
  });

  it('lets a second device take over, and closes the first with 4503', async () => {
    const account = await createAccount(product, { minutes: 10 });
    const first = await connect(0);
    const { session } = await first.start({ ticket: await account.ticket() });
    const second = await connect(1);
    const started = await second.start({ ticket: await account.ticket(), session });
    expect(started.resumed).toBe(true);
    expect((await first.closed).code).toBe(4503);
    const third = await connect(1);
    await third.start({ ticket: await account.ticket(), session });
    expect((await second.closed).code).toBe(4503);
  });

  it('extends a running session when minutes are given, and withdraws what no longer holds', async () => {
    const account = await createAccount(product, {
      minutes: 6 * SECONDS,
      thresholds: { percent: [50, 100], remainingMinutes: [5 * SECONDS] },
    });
    const recorder = await connect();
    await recorder.start({ ticket: await account.ticket() });
    const low = await recorder.next('warning', ({ threshold }) => 'remainingMs' in threshold);
    await product.api('POST', `/v1/orgs/${account.org}/adjustments`, {
      minutes: 4 * SECONDS,
      kind: 'extra',
      reason: 'goodwill',
    });
    expect((await recorder.next('recovered')).id).toBe(low.id);
    expect((await recorder.next('source')).to).toBe('extra');
    const ended = await recorder.next('ended');
    expect(ended.summary.bySource).toEqual({ planMs: 6_000, extraMs: 4_000, overageMs: 0 });
  });

  it('stops at the longest session of the plan, with that as the binding limit', async () => {
    const account = await createAccount(product, { minutes: 10, maxSessionMinutes: 2 * SECONDS });
    const recorder = await connect();
    await recorder.start({ ticket: await account.ticket() });
    const stop = await recorder.next('stop');
    expect(stop).toMatchObject({ reason: 'sessionLimit', binding: 'session' });
    const { summary } = await recorder.next('ended');
    expect(summary.recordedMs - summary.overshootMs).toBe(2_000);
  });

  it("stops at a member's own limit while others of the organization go on", async () => {
    const account = await createAccount(product, { minutes: 10 });
    await product.api('PUT', `/v1/orgs/${account.org}/members/bob`, { minutes: 2 * SECONDS });
    const bob = await connect(0);
    const ann = await connect(1);
    await ann.start({ ticket: await account.ticket('ann') });
    await bob.start({ ticket: await account.ticket('bob') });
    expect((await bob.next('stop')).binding).toBe('member');
    await bob.closed;
    const tick = ann.messages.filter(({ type }) => type === 'tick').length;
    await ann.next('tick', ({ seq }) => seq > tick + 1);
    expect(ann.messages.some(({ type }) => type === 'stop')).toBe(false);
    await ann.stop();
  });

  it('suspends: running sessions stop, new ones are refused', async () => {
    const account = await createAccount(product, { minutes: 10 });
    const recorder = await connect();
    await recorder.start({ ticket: await account.ticket() });
    const ticket = await account.ticket();
    const suspended = { name: account.org, plan: account.plan, suspended: true };
    await product.api('PUT', `/v1/orgs/${account.org}`, suspended);
    const { reason, actions } = await recorder.next('stop');
    expect([reason, actions]).toEqual(['organizationSuspended', [{ type: 'askAdmin' }]]);
    expect((await recorder.closed).code).toBe(4508);
    const late = await connect();
    late.send({ type: 'start', ticket });
    expect((await late.next('refused')).code).toBe('organizationSuspended');
  });
});
