/** A session goes from one connection to another: resumed, taken over, at the same gateway or not. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  beginWorld,
  type Recorder,
  type TestGateway,
  ticketOf,
  type World,
} from './test-gateway.ts';

let world: World;
let gateway: TestGateway;
let other: TestGateway;
beforeEach(() => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  gateway = world.gateway();
  other = world.gateway();
});
afterEach(() => world.end());

async function rowOf(session: string) {
  const reply = await world.stores.model.readSession('acme', session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  return reply.session;
}

async function recordedMs(recorder: Recorder): Promise<number> {
  recorder.send({ type: 'stop' });
  await world.pass(50);
  return recorder.last('ended').summary.recordedMs;
}

describe.each(['the same gateway', 'another one'])('at %s', (where) => {
  const there = () => (where === 'the same gateway' ? gateway : other);

  it('a lost connection is resumed without losing a second, or gaining one', async () => {
    const first = gateway.connect();
    await first.start('acme');
    await world.pass(8_000);
    first.cut();
    await world.pass(7_000);
    const second = there().connect();
    await second.resume(first);
    await world.pass(5_000);
    const total = await recordedMs(second);
    expect(total).toBeLessThanOrEqual(20_041);
    expect(total).toBeGreaterThan(20_030);
  });

  it('what its opening took counts: the answer of the meter may have waited', async () => {
    await other.connect().start('acme');
    const first = gateway.connect();
    await first.start('acme');
    await world.pass(8_000);
    first.cut();
    await world.pass(3_000);
    world.stores.delayMs = 1_500;
    const second = there().connect();
    const { session } = first.last('started');
    second.send({ type: 'resume', session, checkpoint: first.checkpoint() });
    await world.pass(4_000);
    world.stores.delayMs = 0;
    await world.pass(5_000);
    const total = await recordedMs(second);
    expect(total).toBeLessThanOrEqual(20_060);
    expect(total).toBeGreaterThan(20_000);
  });

  it('a gap of more than interval and timeout does not count', async () => {
    const first = gateway.connect();
    await first.start('acme');
    await world.pass(8_000);
    first.cut();
    await world.pass(30_000);
    const second = there().connect();
    await second.resume(first);
    const proven = second.last('started').reading.sessionMs;
    expect(proven).toBeLessThan(8_020);
    await world.pass(2_000);
    expect((await recordedMs(second)) - proven).toBeLessThan(2_050);
  });

  it('a newer connection takes over, and the older one is closed with 4503', async () => {
    const first = gateway.connect();
    const { session, epoch } = await first.start('acme');
    await world.pass(7_000);
    const second = there().connect();
    const started = await second.start('acme', { session });
    expect(started).toMatchObject({ resumed: true, epoch: epoch + 1 });
    await world.pass(20);
    expect(first.closed).toEqual({ code: 4503, reason: 'superseded' });
    expect(first.messages.at(-1)).toMatchObject({ type: 'error', code: 'superseded', fatal: true });
    await world.pass(10_000);
    expect(await recordedMs(second)).toBeGreaterThan(17_030);
    expect(gateway.metering.hub.size + other.metering.hub.size).toBe(0);
  });

  it('a paused session is resumed paused', async () => {
    const first = gateway.connect();
    await first.start('acme');
    await world.pass(3_000);
    first.send({ type: 'beat', seq: 0, state: 'paused' });
    await world.pass(2_000);
    first.cut();
    await world.pass(5_000);
    const second = there().connect();
    expect((await second.resume(first)).state).toBe('paused');
    await world.pass(6_000);
    expect(await recordedMs(second)).toBe(3_020);
  });

  it('a checkpoint of before the last take-over lets nobody in', async () => {
    const first = gateway.connect();
    await first.start('acme');
    first.cut();
    const stale = first.checkpoint();
    const second = there().connect();
    await second.resume(first);
    const third = there().connect();
    third.send({ type: 'resume', session: first.last('started').session, checkpoint: stale });
    await world.pass(50);
    expect(third.last('refused').code).toBe('checkpointInvalid');
    expect(third.closed?.code).toBe(4004);
    expect(second.closed).toBeNull();
  });

  it('a recorder whose ticket is trusted is charged what it captured, the gap included', async () => {
    const first = gateway.connect({ answers: false });
    first.send({ type: 'start', ticket: ticketOf('acme', 'ann', true) });
    await world.pass(20);
    for (const capturedMs of [2_000, 4_000]) {
      await world.pass(5_000);
      first.send({ type: 'beat', seq: first.last('tick').seq, capturedMs });
    }
    await world.pass(20);
    expect(await world.stores.usedMs('acme')).toBe(4_000);
    first.cut();
    await world.pass(3_000);
    const second = there().connect();
    await second.resume(first, { capturedMs: 5_500 });
    await world.pass(1_000);
    second.send({ type: 'stop', capturedMs: 6_000 });
    await world.pass(50);
    expect(second.last('ended').summary.recordedMs).toBe(6_000);
  });
});

it('what opening takes at the same gateway counts too', async () => {
  const first = gateway.connect();
  await first.start('acme');
  await world.pass(10_100);
  first.cut();
  world.stores.delayMs = 1_000;
  const second = gateway.connect();
  const { session } = first.last('started');
  second.send({ type: 'resume', session, checkpoint: first.checkpoint() });
  await world.pass(3_000);
  world.stores.delayMs = 0;
  await world.pass(5_000);
  expect(await recordedMs(second)).toBeGreaterThan(18_100);
});

it('a socket that is gone takes nothing over', async () => {
  const first = gateway.connect();
  const { session } = await first.start('acme');
  await world.pass(6_000);
  first.cut();
  const lost = gateway.connect();
  const { limits } = world.stores.ledger;
  world.stores.ledger.limits = async (org, user) => {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    return limits(org, user);
  };
  lost.send({ type: 'resume', session, checkpoint: first.checkpoint() });
  await world.pass(100);
  lost.cut();
  world.stores.ledger.limits = limits;
  const second = other.connect();
  await second.resume(first);
  await world.pass(10_000);
  expect(second.closed).toBeNull();
  expect((await rowOf(session)).epoch.counter).toBe(2);
});

it.each([
  ['before it is decided opens nothing', 900, 'unknown', false],
  ['while it is decided leaves a session to be resumed', 1_500, 'detached', true],
] as const)('a socket that closes after start, %s', async (_, afterMs, state, resumed) => {
  world.stores.delayMs = 200;
  const first = gateway.connect();
  first.send({ type: 'start', ticket: ticketOf('acme'), session: 's1' });
  await world.pass(afterMs);
  first.cut();
  await world.pass(2_000);
  world.stores.delayMs = 0;
  const known = await world.stores.model.readSession('acme', 's1');
  expect(known.status === 'ok' ? known.session.state : known.status).toBe(state);
  const second = gateway.connect();
  expect((await second.start('acme', { session: 's1' })).resumed).toBe(resumed);
  expect(first.messages).toEqual([]);
});

it('an ended session of which the ledger has all stays ended, and the meter hears nothing of it', async () => {
  const first = gateway.connect();
  const { session } = await first.start('acme');
  await recordedMs(first);
  await world.stores.settle('acme');
  await world.pass(100);
  const before = world.stores.calls.open!;
  const second = gateway.connect();
  second.send({ type: 'resume', session, checkpoint: first.checkpoint() });
  await world.pass(50);
  expect(second.last('refused').code).toBe('sessionEnded');
  expect(second.closed?.code).toBe(4507);
  expect(world.stores.calls.open! - before).toBe(1);
});

it('the memory of a gateway that had it before is no measure of a later gap', async () => {
  const first = gateway.connect();
  await first.start('acme');
  await world.pass(6_000);
  first.cut();
  world.stores.isDeaf = true;
  const second = other.connect();
  await second.resume(first);
  await world.pass(30_000);
  second.cut();
  await world.pass(5_000);
  const third = gateway.connect();
  await third.resume(second);
  await world.pass(1_000);
  expect(await recordedMs(third)).toBeGreaterThan(42_000);
});

it('a drain sends sessions elsewhere without a gap', async () => {
  const first = gateway.connect();
  await first.start('acme');
  await world.pass(8_000);
  void gateway.stop();
  await world.pass(300);
  expect(first.messages.at(-1)).toEqual({ type: 'draining', retryAfterMs: 200 });
  expect(first.closed?.code).toBe(1012);
  const second = other.connect();
  await second.resume(first);
  await world.pass(5_000);
  expect(await recordedMs(second)).toBeGreaterThan(13_330);
});

it('a start in a drain is not left behind: its recorder says it again elsewhere', async () => {
  world.stores.delayMs = 200;
  const first = gateway.connect();
  first.send({ type: 'start', ticket: ticketOf('acme'), session: 's1' });
  await world.pass(700);
  void gateway.stop();
  await world.pass(2_000);
  expect(first.closed?.code).toBe(1012);
  world.stores.delayMs = 0;
  const second = other.connect();
  await second.start('acme', { session: 's1' });
  await world.pass(5_000);
  expect(second.closed).toBeNull();
  const total = await recordedMs(second);
  expect(total).toBeLessThan(7_800);
  expect(total).toBeGreaterThan(4_900);
});

it('the first gateway, dead and back, changes nothing with its late words', async () => {
  const first = gateway.connect();
  const { session } = await first.start('acme');
  await world.pass(6_000);
  world.stores.isDeaf = true;
  const second = other.connect();
  await second.start('acme', { session });
  await world.pass(3_000);
  const before = await rowOf(session);
  await world.pass(2_500);
  expect(first.closed?.code).toBe(4503);
  const after = await rowOf(session);
  expect(after.epoch).toEqual(before.epoch);
  expect(after.totalMs - before.totalMs).toBeLessThan(5_001);
});
