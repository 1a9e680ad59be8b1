/** Nothing is kept for ever: sessions, budgets and timers go when nobody needs them any more. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { beginWorld, type TestGateway, type World } from './test-gateway.ts';
import { BEGIN } from './test-meter.ts';

let world: World;
let gateway: TestGateway;
let other: TestGateway;
let timersBefore: number;
beforeEach(async () => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  world.stores.account('small', { quotaMs: 8_000 });
  gateway = world.gateway();
  other = world.gateway();
  await world.pass(1_000);
  timersBefore = vi.getTimerCount();
});
afterEach(() => world.end());

function expectNothingLeft(): void {
  for (const { metering } of [gateway, other]) {
    expect(metering.hub.remembered()).toEqual([]);
    expect([...metering.budgets.names()]).toEqual([]);
  }
  expect(vi.getTimerCount()).toBe(timersBefore);
}

/** As the sweep ends a session that gave no sign. */
async function sweep(session: string, reason: string): Promise<void> {
  const reply = await world.stores.model.readSession('acme', session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  const { totalMs, lastAnswerAt } = reply.session;
  await world.stores.meter.close({
    ...{ org: 'acme', session, reason, gatewayWallMs: Date.now() },
    by: { sweep: { totalMs, lastAnswerAt } },
  });
}

it('a session that another one ended with less is kept until the ledger has all of it', async () => {
  const recorder = gateway.connect();
  const { session } = await recorder.start('acme');
  await world.pass(6_000);
  recorder.send({ type: 'stop' });
  await world.pass(100);
  const { ledger } = world.stores;
  const { base: known } = ledger;
  const marks = [{ period: BEGIN, chargedMs: 0 }];
  const less = { ended: true, reason: 'lost', overshootMs: 0, marks, chargedMs: 1_000 };
  const base = { startedAt: BEGIN, ...less };
  ledger.base = async () => ({ user: 'ann', base, closedAt: null });
  await world.pass(61_000);
  expect([...gateway.metering.hub.retained()].map(({ id }) => id)).toEqual([session]);
  ledger.base = known;
  await world.stores.settle('acme');
  await world.pass(100);
  expectNothingLeft();
});

it('a session that ended is kept until the ledger has all of it', async () => {
  const recorder = gateway.connect();
  await recorder.start('acme');
  await world.pass(6_000);
  recorder.send({ type: 'stop' });
  await world.pass(100);
  expect([...gateway.metering.hub.retained()]).toHaveLength(1);
  await world.stores.settle('acme');
  await world.pass(100);
  expectNothingLeft();
});

it('where that was not told, it is asked of the ledger', async () => {
  const recorder = gateway.connect();
  await recorder.start('acme');
  recorder.send({ type: 'stop' });
  await world.pass(100);
  world.stores.isDeaf = true;
  await world.stores.settle('acme');
  await world.pass(100);
  expect([...gateway.metering.hub.retained()]).toHaveLength(1);
  await world.pass(70_000);
  expectNothingLeft();
});

it('what stays long does not keep the rest from being asked about', async () => {
  for (let i = 0; i < 250; i++) {
    const recorder = gateway.connect();
    await recorder.start('acme', { session: `s${i}`, user: `u${i}` });
    recorder.send({ type: 'stop' });
  }
  await world.pass(100);
  world.stores.isDeaf = true;
  await world.stores.settle('acme');
  // The first ones are not known to the ledger: it could not take them yet.
  const { base } = world.stores.ledger;
  world.stores.ledger.base = async (org, id) => (Number(id.slice(1)) < 200 ? null : base(org, id));
  await world.pass(130_000);
  const kept = [...gateway.metering.hub.retained()].map(({ id }) => Number(id.slice(1)));
  expect(kept.filter((id) => id >= 200)).toEqual([]);
  expect(kept).toHaveLength(200);
});

it('a detached session goes when the sweep has ended it', async () => {
  const recorder = gateway.connect();
  const { session } = await recorder.start('acme');
  await world.pass(6_000);
  recorder.cut();
  await world.pass(1_000);
  await sweep(session, 'disconnected');
  await world.stores.settle('acme');
  await world.pass(100);
  expectNothingLeft();
});

it('so does one that went on elsewhere and ended there, though nobody told', async () => {
  world.stores.isDeaf = true;
  const recorder = gateway.connect();
  await recorder.start('acme');
  await world.pass(6_000);
  recorder.cut();
  const back = other.connect();
  await back.resume(recorder);
  await world.pass(6_000);
  back.send({ type: 'stop' });
  await world.pass(1_000);
  await world.stores.settle('acme');
  await world.pass(300_000);
  expectNothingLeft();
});

it('one whose recorder is still there hears that it has ended', async () => {
  const recorder = gateway.connect();
  const { session } = await recorder.start('acme');
  await world.pass(12_000);
  await sweep(session, 'pausedTooLong');
  await world.stores.settle('acme');
  await world.pass(6_000);
  expect(recorder.endReason()).toBe('pausedTooLong');
  expect(recorder.closed).toEqual({ code: 4507, reason: 'sessionEnded' });
  // What it proved since then is in the ledger, too.
  await world.stores.settle('acme');
  const known = await world.stores.ledger.base('acme', session);
  expect(known?.base.chargedMs).toBe(14_799);
  await world.pass(100_000);
  expectNothingLeft();
});

it('a stop whose session was resumed elsewhere leaves no save window behind', async () => {
  const recorder = gateway.connect({ saves: false });
  await recorder.start('small');
  await world.pass(8_100);
  expect(recorder.all('stop')).toHaveLength(1);
  const back = other.connect();
  await back.resume(recorder);
  expect(recorder.closed?.code).toBe(4503);
  await world.pass(100);
  expect(back.endReason()).toBe('limitReached');
  await world.stores.settle('small');
  await world.pass(100);
  expectNothingLeft();
});

it('a session that closes while it moves to the next period leaves no budget behind', async () => {
  await world.end();
  world = beginWorld({ beforeBoundaryMs: 4_000 });
  world.stores.account('acme', { quotaMs: 100_000 });
  gateway = world.gateway();
  other = world.gateway();
  timersBefore = vi.getTimerCount();
  const recorder = gateway.connect();
  await recorder.start('acme');
  await world.pass(3_900);
  world.stores.delayMs = 40;
  // Its beat at the boundary is answered; what it draws on now is being read.
  await world.pass(330);
  recorder.send({ type: 'stop' });
  await world.pass(3_000);
  expect(recorder.endReason()).toBe('stopped');
  await world.stores.settle('acme');
  await world.pass(100);
  expectNothingLeft();
});

it('refused starts leave nothing behind', async () => {
  world.stores.account('poor', { quotaMs: 0 });
  const recorder = gateway.connect();
  await expect(recorder.start('poor')).rejects.toThrow('refused');
  expect(recorder.last('refused').code).toBe('limitReached');
  await world.pass(100);
  expect(gateway.connections.size).toBe(0);
  expectNothingLeft();
});
