/** What a recorder's words prove, and when: rule 2 of core/meter/README.md. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { beginWorld, ticketOf, type World } from './test-gateway.ts';

let world: World;
beforeEach(() => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
});
afterEach(() => world.end());

async function rowOf(session: string) {
  const reply = await world.stores.model.readSession('acme', session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  return reply.session;
}

it('an answer proves time up to the sending of its tick, not up to its receipt', async () => {
  const gateway = world.gateway();
  const recorder = gateway.connect({ latencyMs: 400 });
  recorder.send({ type: 'start', ticket: ticketOf('acme'), session: 's1' });
  await world.pass(1_000);
  const session = gateway.metering.hub.get('acme', 's1')!;
  const startedAt = session.stopwatch.provenAt;
  await world.pass(5_900);
  const sentAt = session.sentAt[session.seq]!;
  expect(sentAt).toBeGreaterThan(startedAt);
  expect(await rowOf('s1')).toMatchObject({ totalMs: sentAt - startedAt });
});

it('a recorder that is gone is told to the meter at once, with what it proved', async () => {
  const recorder = world.gateway().connect();
  const { session } = await recorder.start('acme');
  await world.pass(7_000);
  const { totalMs } = await rowOf(session);
  recorder.cut();
  await world.pass(50);
  expect(await rowOf(session)).toMatchObject({ state: 'detached', totalMs });
  expect(totalMs).toBeGreaterThan(0);
  const waits = [...world.stores.model.unsettled(world.stores.meter.shardOf('acme')).keys()];
  expect(waits.filter((field) => field.startsWith('m|'))).toHaveLength(1);
});

it('what an outage left untold is told of every session as soon as it is over', async () => {
  const gateway = world.gateway({ intervalMs: 30_000 });
  const recorders = ['s1', 's2', 's3'].map((session) => {
    const recorder = gateway.connect();
    recorder.send({ type: 'start', ticket: ticketOf('acme'), session });
    return recorder;
  });
  while (recorders.some((recorder) => recorder.all('tick').length === 0)) await world.pass(100);
  await world.pass(5_000);
  world.stores.isAway = true;
  for (const recorder of recorders) recorder.send({ type: 'beat', seq: 1, state: 'paused' });
  await world.pass(5_000);
  const ticks = recorders.map((recorder) => recorder.all('tick').length);
  world.stores.isAway = false;
  await world.pass(1_000);
  for (const session of ['s1', 's2', 's3']) {
    const known = gateway.metering.hub.get('acme', session)!;
    const totalMs = Math.floor(known.stopwatch.totalMs);
    expect(await rowOf(session)).toMatchObject({ state: 'paused', totalMs });
  }
  expect(recorders.map((recorder) => recorder.all('tick').length)).toEqual(ticks);
});
