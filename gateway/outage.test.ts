/** Rule 24: Redis or Postgres does not answer. Sessions count on; nothing proven is lost. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOutage } from './outage.ts';
import { beginWorld, ticketOf, type World } from './test-gateway.ts';

let world: World;
beforeEach(() => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  world.stores.account('small', { quotaMs: 30_000 });
  world.stores.account('strict', { limits: { onMeterFailure: 'terminate' } });
});
afterEach(() => world.end());

async function rowOf(org: string, session: string) {
  const reply = await world.stores.model.readSession(org, session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  return reply.session;
}

describe('under the policy "continue"', () => {
  it('sessions count on, and are charged afterwards up to the limit', async () => {
    const recorder = world.gateway().connect();
    await recorder.start('small');
    await world.pass(10_000);
    world.stores.isAway = true;
    await world.pass(60_000);
    expect(recorder.all('stop')).toEqual([]);
    expect(recorder.closed).toBeNull();
    world.stores.isAway = false;
    await world.pass(6_000);
    expect(recorder.last('stop').reason).toBe('limitReached');
    const { summary } = recorder.last('ended');
    expect(summary.recordedMs - summary.overshootMs).toBe(30_000);
    expect(await world.stores.usedMs('small')).toBe(30_000);
  });

  it('they are stopped once they have been without the meter for as long as the plan bears', async () => {
    world.stores.account('acme', { limits: { meterFailureMs: 60_000 } });
    const recorder = world.gateway().connect();
    await recorder.start('acme');
    world.stores.isAway = true;
    await world.pass(55_000);
    expect(recorder.all('stop')).toEqual([]);
    await world.pass(12_000);
    expect(recorder.last('stop').reason).toBe('meterUnavailable');
  });

  it('so do they where Redis answers, but nobody recovers it', async () => {
    world.stores.account('acme', { limits: { meterFailureMs: 60_000 } });
    world.stores.recoversAfterMs = null;
    const recorder = world.gateway().connect();
    await recorder.start('acme');
    world.stores.empty();
    await world.pass(55_000);
    expect(recorder.all('stop')).toEqual([]);
    await world.pass(12_000);
    expect(recorder.last('stop').reason).toBe('meterUnavailable');
  });

  it('what was proven before the socket dropped is told as soon as the meter is back', async () => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('acme');
    await world.pass(5_500);
    world.stores.isAway = true;
    await world.pass(20_000);
    recorder.cut();
    await world.pass(5_000);
    world.stores.isAway = false;
    await world.pass(1_000);
    expect(await world.stores.usedMs('acme')).toBeGreaterThan(20_000);
    expect((await rowOf('acme', session)).state).toBe('detached');
    // The sweep ends a session whose last answer stays the same: it is said once, not for ever.
    const { lastAnswerAt } = await rowOf('acme', session);
    await world.pass(100_000);
    expect((await rowOf('acme', session)).lastAnswerAt).toBe(lastAnswerAt);
  });
});

it('what was proven is told at once when the meter is back, not with the next tick', async () => {
  const recorder = world.gateway({ intervalMs: 30_000 }).connect();
  await recorder.start('acme');
  await world.pass(1_000);
  world.stores.isAway = true;
  await world.pass(31_000);
  const proven = recorder.last('tick').seq;
  world.stores.isAway = false;
  await world.pass(1_000);
  expect(recorder.last('tick').seq).toBe(proven);
  expect(await world.stores.usedMs('acme')).toBeGreaterThan(4_000);
});

it('who resumes elsewhere just then goes on with all that was proven', async () => {
  const [gateway, other] = [world.gateway(), world.gateway()];
  const recorder = gateway.connect();
  await recorder.start('acme');
  world.stores.isAway = true;
  await world.pass(60_000);
  recorder.cut();
  const early = other.connect();
  early.send({ type: 'resume', session: 'x', ticket: ticketOf('acme') });
  await world.pass(1_000);
  expect(early.last('refused').code).toBe('meterUnavailable');
  world.stores.isAway = false;
  const back = other.connect();
  const { session } = recorder.last('started');
  back.send({ type: 'resume', session, checkpoint: recorder.checkpoint() });
  await world.pass(3_000);
  expect(back.last('started').reading.sessionMs).toBeGreaterThan(60_000);
});

it('what was proven is charged even where the sweep has ended the session meanwhile', async () => {
  const recorder = world.gateway().connect();
  const { session } = await recorder.start('acme');
  await world.pass(6_000);
  const { totalMs, lastAnswerAt } = await rowOf('acme', session);
  world.stores.isAway = true;
  await world.pass(15_000);
  await world.stores.model.close({
    ...{ org: 'acme', session, reason: 'disconnected', gatewayWallMs: Date.now() },
    by: { sweep: { totalMs, lastAnswerAt } },
  });
  await world.stores.settle('acme');
  world.stores.isAway = false;
  await world.pass(2_000);
  await world.stores.settle('acme');
  expect(recorder.endReason()).toBe('disconnected');
  const known = await world.stores.ledger.base('acme', session);
  expect(known?.base.chargedMs).toBeGreaterThan(15_000);
});

it.each([false, true])(
  'what was never told is not charged once its recorder was told its end elsewhere (Redis lost since: %s)',
  async (isLost) => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('acme');
    await world.pass(6_000);
    const { totalMs, lastAnswerAt } = await rowOf('acme', session);
    world.stores.isAway = true;
    await world.pass(12_000);
    await world.stores.model.close({
      ...{ org: 'acme', session, reason: 'stopped', gatewayWallMs: Date.now() },
      by: { sweep: { totalMs, lastAnswerAt } },
    });
    await world.stores.settle('acme');
    if (isLost) world.stores.empty();
    world.stores.isAway = false;
    await world.pass(5_000);
    await world.stores.settle('acme');
    const known = await world.stores.ledger.base('acme', session);
    expect(known?.base.chargedMs).toBe(totalMs);
    expect(recorder.closed).toEqual({ code: 4503, reason: 'superseded' });
  },
);

describe('under the policy "terminate"', () => {
  it('sessions are stopped after interval and timeout, told why, and closed with 4510', async () => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('strict');
    await world.pass(10_000);
    world.stores.isAway = true;
    await world.pass(20_000);
    expect(recorder.all('stop')).toEqual([]);
    await world.pass(8_000);
    expect(recorder.last('stop')).toMatchObject({
      reason: 'meterUnavailable',
      actions: [{ type: 'wait' }],
    });
    expect(recorder.closed?.code).toBe(4510);
    world.stores.isAway = false;
    await world.pass(10_000);
    const row = await rowOf('strict', session);
    expect(row).toMatchObject({ state: 'ended', reason: 'meterUnavailable' });
    expect(row.totalMs).toBeGreaterThan(28_000);
  });

  it('a session that waits to be resumed is none of its matters', async () => {
    const gateway = world.gateway();
    const recorder = gateway.connect();
    await recorder.start('strict');
    await world.pass(6_000);
    recorder.cut();
    // Nobody else records here: the meter is not asked, and says nothing.
    await world.pass(60_000);
    expect((await gateway.connect().resume(recorder)).resumed).toBe(true);
  });

  it('a recorder that said stop is let go, and its end is told when the meter is back', async () => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('strict');
    await world.pass(6_000);
    world.stores.isAway = true;
    recorder.send({ type: 'stop' });
    await world.pass(15_000);
    expect(recorder.closed).toBeNull();
    await world.pass(10_000);
    expect(recorder.messages.at(-1)).toMatchObject({ type: 'error', code: 'meterUnavailable' });
    expect(recorder.closed?.code).toBe(4510);
    world.stores.isAway = false;
    await world.pass(6_000);
    const row = await rowOf('strict', session);
    expect(row).toMatchObject({ state: 'ended', reason: 'stopped', totalMs: 6_020 });
  });
});

describe('meanwhile', () => {
  it.each(['start', 'resume'])('a %s is refused with meterUnavailable', async (type) => {
    const gateway = world.gateway();
    const first = gateway.connect();
    const { session } = await first.start('acme');
    first.cut();
    world.stores.isAway = true;
    const recorder = gateway.connect();
    const ticket = ticketOf('acme');
    recorder.send({ type, ticket, session: type === 'start' ? 'other' : session });
    await world.pass(50);
    expect(recorder.last('refused')).toMatchObject({
      code: 'meterUnavailable',
      actions: [{ type: 'wait' }],
    });
    expect(recorder.closed?.code).toBe(4510);
  });

  it('a deadline that is due is asked for now and then, and nothing floods the log', async () => {
    const gateway = world.gateway();
    await gateway.connect().start('small');
    await world.pass(5_000);
    world.stores.isAway = true;
    await world.pass(45_000);
    expect(world.stores.calls.deadline).toBeGreaterThan(5);
    expect(world.stores.calls.deadline).toBeLessThan(40);
    expect(gateway.logged.map(({ msg }) => msg)).toHaveLength(1);
    world.stores.isAway = false;
    await world.pass(5_000);
    expect(gateway.logged.map(({ msg }) => msg)).toHaveLength(2);
  });

  it('words that wait do not pile up: of each session the last one is said', async () => {
    const gateway = world.gateway({ intervalMs: 1_000 });
    await gateway.connect().start('acme');
    world.stores.delayMs = 30_000;
    await world.pass(29_000);
    const before = world.stores.calls.beats!;
    world.stores.delayMs = 0;
    await world.pass(40_000);
    // The one under way, one for all that came meanwhile, then one a tick.
    expect(world.stores.calls.beats! - before).toBeLessThan(45);
    expect(await world.stores.usedMs('acme')).toBeGreaterThan(66_000);
  });
});

describe('without Postgres', () => {
  it('time waits at the boundary of a period that is not there yet, and is charged later', async () => {
    await world.end();
    world = beginWorld({ beforeBoundaryMs: 9_000 });
    world.stores.account('acme', { quotaMs: 100_000 });
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('acme');
    await world.pass(5_000);
    world.stores.isLedgerAway = true;
    await world.pass(20_000);
    expect((await rowOf('acme', session)).totalMs).toBeLessThan(9_000);
    world.stores.isLedgerAway = false;
    await world.pass(6_000);
    recorder.send({ type: 'stop' });
    await world.pass(50);
    expect(recorder.last('ended').summary.recordedMs).toBeGreaterThan(31_000);
  });

  it('sessions that run are warned and stopped as ever', async () => {
    const recorder = world.gateway().connect();
    await recorder.start('small');
    world.stores.isLedgerAway = true;
    await world.pass(31_000);
    expect(recorder.all('warning')).toHaveLength(3);
    expect(recorder.endReason()).toBe('limitReached');
  });
});

it('is told of once when it begins and once when it is over', () => {
  const lines: string[] = [];
  const say = (_: unknown, text: string) => void lines.push(text);
  let now = 1_000;
  let isOver = 0;
  const outage = createOutage({
    log: { error: say, warn: say } as never,
    monotonicMs: () => now,
    began: () => {},
    over() {
      isOver += 1;
    },
  });
  outage.answered();
  expect(lines).toEqual([]);
  outage.failed(new Error('refused'));
  now += 5_000;
  outage.failed(new Error('refused'));
  expect(outage.lastsMs()).toBe(5_000);
  outage.answered();
  outage.answered();
  expect(lines).toHaveLength(2);
  expect(isOver).toBe(1);
  expect(outage.lastsMs()).toBe(0);
});
