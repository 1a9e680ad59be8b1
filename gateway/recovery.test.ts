/** Rule 22 as a gateway does its part: a shard is lost and comes back under live sessions. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shardOf } from '../core/meter/keys.ts';
import { beginWorld, type Recorder, ticketOf, type World } from './test-gateway.ts';
import { BEGIN, PERIOD_MS } from './test-meter.ts';

let world: World;
beforeEach(() => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  world.stores.account('small', { quotaMs: 100_000, memberQuotaMs: 100_000 });
});
afterEach(() => world.end());

async function rowOf(session: string, org = 'acme') {
  const reply = await world.stores.model.readSession(org, session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  return reply.session;
}

/** Sends a start without waiting for its answer. */
function knock(recorder: Recorder, session: string): void {
  recorder.send({ type: 'start', session, ticket: ticketOf('acme', 'bob') });
}

describe('while a shard waits for recovery', () => {
  it('meter time goes on, though the meter says none', async () => {
    const gateway = world.gateway();
    const recorder = gateway.connect();
    await recorder.start('acme');
    await world.pass(6_000);
    world.stores.recoversAfterMs = null;
    world.stores.empty();
    await world.pass(10_000);
    expect(Math.abs(gateway.metering.time.now() - Date.now())).toBeLessThan(50);
    expect(recorder.last('tick').reading.at).toBeGreaterThan(Date.now() - 6_000);
  });

  it('a start waits for it, and falls into the present period', async () => {
    const gateway = world.gateway();
    await gateway.connect().start('acme');
    await world.pass(6_000);
    world.stores.recoversAfterMs = 2_000;
    world.stores.empty();
    await world.pass(1_000);
    const late = gateway.connect();
    knock(late, 's2');
    await world.pass(500);
    expect(late.messages).toEqual([]);
    await world.pass(2_000);
    expect(late.last('started').reading.periodEndsAt).toBe(BEGIN + PERIOD_MS);
    expect((await rowOf('s2')).marks).toEqual([{ period: BEGIN, chargedMs: 0 }]);
  });

  it('a start that has waited for five seconds is told to come again', async () => {
    world.stores.recoversAfterMs = null;
    world.stores.empty();
    const recorder = world.gateway().connect();
    knock(recorder, 's1');
    await world.pass(4_500);
    expect(recorder.messages).toEqual([]);
    await world.pass(1_000);
    expect(recorder.last('refused').code).toBe('meterUnavailable');
  });

  it('readings go on with the last figures known', async () => {
    const recorder = world.gateway().connect();
    await recorder.start('acme');
    await world.pass(6_000);
    world.stores.recoversAfterMs = null;
    world.stores.empty();
    await world.pass(10_000);
    expect(recorder.last('tick').reading).toMatchObject({ limitMs: 600_000, remainingMs: 594_201 });
  });
});

describe('after a recovery', () => {
  it('what is remembered is told at once, not with the next tick', async () => {
    const recorder = world.gateway({ intervalMs: 60_000 }).connect();
    const { session } = await recorder.start('acme');
    while (recorder.all('tick').length === 0) await world.pass(100);
    await world.pass(100);
    const { totalMs } = await rowOf(session);
    world.stores.empty();
    await world.pass(2_000);
    expect(recorder.all('tick')).toHaveLength(1);
    expect(totalMs).toBeGreaterThan(0);
    expect(await rowOf(session)).toMatchObject({ state: 'recording', totalMs });
  });

  it('a live session has all its time, and goes on', async () => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('acme');
    await world.pass(30_000);
    world.stores.empty();
    await world.pass(10_000);
    recorder.send({ type: 'stop' });
    await world.pass(50);
    expect(recorder.last('ended').summary.recordedMs).toBe(40_020);
    expect(await world.stores.usedMs('acme')).toBe(40_020);
    expect((await rowOf(session)).epoch.counter).toBe(1);
  });

  it('no warning is withdrawn that still holds, and none is told twice', async () => {
    const gateway = world.gateway();
    const [ann, bob] = [gateway.connect(), gateway.connect()];
    await ann.start('small', { user: 'ann' });
    await bob.start('small', { user: 'bob' });
    await world.pass(43_000);
    expect(ann.all('warning')).toHaveLength(1);
    world.stores.empty();
    await world.pass(4_000);
    for (const recorder of [ann, bob]) {
      expect(recorder.all('recovered')).toEqual([]);
      const ids = recorder.all('warning').map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }
    await world.pass(10_000);
    expect(ann.all('warning').map(({ threshold }) => threshold)).toEqual([
      { percent: 80 },
      { percent: 90 },
      { percent: 100 },
    ]);
    expect(await world.stores.usedMs('small')).toBe(100_000);
  });

  it('a session that is stopping stays stopped, and is billed to the limit', async () => {
    world.stores.account('tiny', { quotaMs: 8_000 });
    const recorder = world.gateway().connect({ saves: false });
    await recorder.start('tiny');
    await world.pass(8_100);
    expect(recorder.all('stop')).toHaveLength(1);
    world.stores.empty();
    await world.stores.recover(shardOf('tiny'));
    await world.pass(6_000);
    recorder.send({ type: 'saved', ok: true });
    await world.pass(1_000);
    expect(recorder.all('stop')).toHaveLength(1);
    expect(recorder.endReason()).toBe('limitReached');
    expect(await world.stores.usedMs('tiny')).toBe(8_000);
  });

  it('a paused session that lost its recorder meanwhile is still paused', async () => {
    const [gateway, other] = [world.gateway(), world.gateway()];
    const recorder = gateway.connect();
    const { session } = await recorder.start('acme');
    await world.pass(6_000);
    recorder.send({ type: 'beat', seq: 1, state: 'paused' });
    await world.pass(100);
    world.stores.isDeaf = true;
    world.stores.recoversAfterMs = 100;
    world.stores.empty();
    await world.pass(500);
    recorder.cut();
    await world.pass(500);
    expect((await rowOf(session)).state).toBe('detached');
    const { state } = await other.connect().resume(recorder);
    expect(state).toBe('paused');
  });

  it('it hears the last words of sessions that are over, even where its event was lost', async () => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('acme');
    await world.pass(70_000);
    recorder.send({ type: 'stop' });
    await world.pass(1_000);
    expect(recorder.endReason()).toBe('stopped');
    world.stores.isDeaf = true;
    world.stores.empty();
    await world.pass(100_000);
    await world.stores.settle('acme');
    const known = await world.stores.ledger.base('acme', session);
    expect(known?.base).toMatchObject({
      ended: true,
      chargedMs: recorder.last('ended').summary.recordedMs,
    });
  });

  it('a session that goes on at another gateway is not taken back', async () => {
    const [gateway, other] = [world.gateway(), world.gateway()];
    const recorder = gateway.connect();
    await recorder.start('acme');
    await world.pass(6_000);
    recorder.cut();
    const back = other.connect();
    await back.resume(recorder);
    world.stores.empty();
    await world.pass(20_000);
    expect(back.closed).toBeNull();
    back.send({ type: 'stop' });
    await world.pass(50);
    expect(back.last('ended').summary.recordedMs).toBeGreaterThan(25_900);
  });

  it('what Postgres could not tell then is asserted when it is back', async () => {
    const recorder = world.gateway().connect();
    await recorder.start('acme');
    await world.pass(30_000);
    recorder.cut();
    world.stores.empty();
    world.stores.isLedgerAway = true;
    await world.pass(20_000);
    world.stores.isLedgerAway = false;
    await world.pass(2_000);
    expect(await world.stores.usedMs('acme')).toBeGreaterThan(25_000);
  });
});

it('is asked for once a shard, however many words wait for it', async () => {
  const gateway = world.gateway({ intervalMs: 1_000 });
  for (const user of ['a', 'b', 'c']) await gateway.connect().start('acme', { user });
  world.stores.recoversAfterMs = null;
  world.stores.empty();
  let asked = 0;
  const { requestRecovery } = world.stores.ledger;
  world.stores.ledger.requestRecovery = (shard) => {
    asked += 1;
    return requestRecovery(shard);
  };
  await world.pass(10_000);
  expect(gateway.metering.recovery.waiting()).toEqual([shardOf('acme')]);
  expect(asked).toBeGreaterThan(1);
  expect(asked).toBeLessThan(10);
  await world.stores.recover(shardOf('acme'));
  await world.pass(500);
  expect(gateway.metering.recovery.waiting()).toEqual([]);
});
