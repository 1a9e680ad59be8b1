/** Sessions across the boundary of a period (rules 19 and 20), on the whole gateway. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { beginWorld, type World } from './test-gateway.ts';
import { BEGIN, PERIOD_MS } from './test-meter.ts';

const DAY_MS = 86_400_000;
let world: World;
beforeEach(() => {
  world = beginWorld({ beforeBoundaryMs: 9_000 });
});
afterEach(() => world.end());

async function rowOf(org: string, session: string) {
  const reply = await world.stores.model.readSession(org, session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  return reply.session;
}

it('time is split there to the millisecond, and the new period warns and stops anew', async () => {
  world.stores.account('acme', { quotaMs: 10_000 });
  const recorder = world.gateway().connect();
  const { session } = await recorder.start('acme');
  await world.pass(8_700);
  expect(recorder.all('warning').map(({ threshold }) => threshold)).toEqual([{ percent: 80 }]);
  await world.pass(3_000);
  const [first] = recorder.all('warning');
  expect(recorder.all('recovered').map(({ id }) => id)).toEqual([first!.id]);
  expect(recorder.last('tick').reading.periodEndsAt).toBe(BEGIN + 2 * PERIOD_MS);
  await world.pass(7_500);
  expect(recorder.last('stop').reason).toBe('limitReached');
  expect(recorder.all('warning').map(({ threshold }) => threshold)).toEqual([
    ...[{ percent: 80 }, { percent: 80 }, { percent: 90 }, { percent: 100 }],
  ]);
  const row = await rowOf('acme', session);
  expect(row.marks.map(({ chargedMs }) => chargedMs)).toEqual([0, 8_999]);
  expect(row.chargedMs).toBe(18_999);
});

it('a budget that would run out just after it does not stop', async () => {
  world.stores.account('acme', { quotaMs: 9_500 });
  const recorder = world.gateway().connect();
  await recorder.start('acme');
  await world.pass(9_200);
  expect(recorder.all('stop')).toEqual([]);
  expect(world.stores.calls.deadline ?? 0).toBe(0);
  await world.pass(9_000);
  expect(recorder.all('stop')).toEqual([]);
  await world.pass(500);
  expect(recorder.all('stop')).toHaveLength(1);
});

it('a stop just before it is final: the new period does not bring the session back', async () => {
  world.stores.account('acme', { quotaMs: 8_500 });
  const recorder = world.gateway().connect({ saves: false });
  await recorder.start('acme');
  await world.pass(8_800);
  expect(recorder.all('stop')).toHaveLength(1);
  await world.pass(6_000);
  expect(recorder.all('stop')).toHaveLength(1);
  recorder.send({ type: 'saved', ok: true });
  await world.pass(100);
  const { summary } = recorder.last('ended');
  expect(summary.recordedMs - summary.overshootMs).toBe(8_500);
});

it('sessions of two gateways move with their first word past it', async () => {
  world.stores.account('acme', { quotaMs: 60_000 });
  const [one, two] = [world.gateway().connect(), world.gateway().connect()];
  const first = await one.start('acme', { user: 'ann' });
  const second = await two.start('acme', { user: 'bob' });
  await world.pass(20_000);
  for (const { session } of [first, second]) {
    expect((await rowOf('acme', session)).period).toBe(BEGIN + PERIOD_MS);
  }
  expect(one.last('tick').reading.burnRate).toBe(2);
});

it('it is not believed where the clocks disagree: time waits for it, and one alarm is raised', async () => {
  world.stores.account('acme', { quotaMs: 60_000 });
  const gateway = world.gateway();
  const recorder = gateway.connect();
  const { session } = await recorder.start('acme');
  await world.pass(8_000);
  // Redis has another idea of the time than this gateway's calendar.
  const { beats } = world.stores.model;
  world.stores.model.beats = (items, wallMs) => beats(items, wallMs - 3_000);
  await world.pass(21_000);
  expect((await rowOf('acme', session)).totalMs).toBe(8_999);
  expect(gateway.logged.filter(({ msg }) => msg.includes('disagree'))).toHaveLength(1);
  world.stores.model.beats = beats;
  await world.pass(6_000);
  expect((await rowOf('acme', session)).totalMs).toBeGreaterThan(28_000);
});

it('a start in a fresh gateway on the test clock falls into the present one', async () => {
  await world.end();
  world = beginWorld({ speed: 60, meterBaseAt: BEGIN + 45 * DAY_MS });
  world.stores.account('acme', { quotaMs: 600_000 });
  const recorder = world.gateway().connect();
  const { session, reading } = await recorder.start('acme');
  expect(reading.periodEndsAt).toBe(BEGIN + 2 * PERIOD_MS);
  expect((await rowOf('acme', session)).marks).toHaveLength(1);
});
