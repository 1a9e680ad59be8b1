/** How sessions come to their end: at a limit, by their recorder, by an operator, by another one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { beginWorld, type Recorder, ticketOf, type World } from './test-gateway.ts';

let world: World;
beforeEach(() => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  world.stores.account('small', { quotaMs: 30_000 });
});
afterEach(() => world.end());

async function rowOf(org: string, session: string) {
  const reply = await world.stores.model.readSession(org, session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  return reply.session;
}
const types = (recorder: Recorder) => recorder.messages.map(({ type }) => type);

describe('at the limit', () => {
  it('a tick, the last warning and the stop come in one, and billed is the limit exactly', async () => {
    const recorder = world.gateway().connect({ latencyMs: 5 });
    await recorder.start('small');
    await world.pass(30_200);
    const stop = types(recorder).indexOf('stop');
    expect(types(recorder).slice(stop - 2)).toEqual(['tick', 'warning', 'stop', 'ended']);
    expect(recorder.last('stop')).toMatchObject({
      ...{ reason: 'limitReached', binding: 'organization', saveWindowMs: 10_000 },
      actions: [
        ...[{ type: 'buyExtraMinutes' }, { type: 'upgrade' }],
        { type: 'wait', until: recorder.last('stop').reading.periodEndsAt },
      ],
    });
    expect(recorder.last('stop').reading.periodEndsAt).toBeGreaterThan(
      recorder.last('stop').reading.at,
    );
    const { summary } = recorder.last('ended');
    expect(summary.recordedMs - summary.overshootMs).toBe(30_000);
    expect(summary.overshootMs).toBeLessThan(10);
    expect(recorder.closed).toEqual({ code: 4500, reason: 'limitReached' });
  });

  it('it comes at its instant with a tick every half minute too', async () => {
    const recorder = world.gateway({ intervalMs: 30_000 }).connect();
    await recorder.start('small');
    await world.pass(29_970);
    expect(recorder.all('warning')).toHaveLength(2);
    expect(recorder.all('stop')).toEqual([]);
    await world.pass(40);
    expect(recorder.all('stop')).toHaveLength(1);
  });

  it('it is reckoned from `started`, not from when the meter let it in', async () => {
    const gateway = world.gateway({ intervalMs: 300_000 });
    // Meter time is known well from another session.
    await gateway.connect().start('acme');
    const recorder = gateway.connect();
    world.stores.delayMs = 100;
    recorder.send({ type: 'start', ticket: ticketOf('small'), session: 's1' });
    const isIn = async () => (await world.stores.model.readSession('small', 's1')).status === 'ok';
    while (!(await isIn())) await world.pass(1);
    world.stores.delayMs = 0;
    while (recorder.all('started').length === 0) await world.pass(1);
    await world.pass(24_100);
    // The first one, and that before the warning.
    expect(recorder.all('tick')).toHaveLength(2);
    expect(recorder.all('warning')).toHaveLength(1);
  });

  it('each warning tells the session time that crossed it', async () => {
    const recorder = world.gateway({ intervalMs: 30_000 }).connect();
    await recorder.start('small');
    await world.pass(31_000);
    const told = recorder.all('warning').map(({ reading }) => reading.sessionMs);
    expect(told[0]).toBeGreaterThanOrEqual(24_000);
    expect(told[1]).toBeGreaterThanOrEqual(27_000);
    // And a tick before it gives the checkpoint that proves it, should all else be lost.
    for (const [i, message] of recorder.messages.entries()) {
      if (message.type !== 'warning') continue;
      const tick = recorder.messages.slice(0, i).findLast(({ type }) => type === 'tick');
      expect(tick).toMatchObject({ reading: { sessionMs: message.reading.sessionMs } });
    }
  });

  it('an answer on its way when the stop was written proves its own time', async () => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('acme');
    await world.pass(3_000);
    recorder.latencyMs = 1_000;
    await world.pass(4_000);
    // It has heard the tick of second five, and its answer is on its way; it will hear no other.
    recorder.answers = false;
    await world.stores.meter.stop('acme', session);
    await world.pass(10);
    expect((await rowOf('acme', session)).totalMs).toBeLessThan(1_000);
    await world.pass(8_000);
    expect((await rowOf('acme', session)).totalMs).toBeGreaterThan(4_000);
  });

  it('who does not save is closed when the save window is over', async () => {
    const recorder = world.gateway().connect({ saves: false });
    await recorder.start('small');
    await world.pass(39_900);
    expect(recorder.closed).toBeNull();
    await world.pass(300);
    expect(recorder.closed?.code).toBe(4500);
    expect(await world.stores.usedMs('small')).toBe(30_000);
  });

  it('its own stop says nothing new to one that is stopping', async () => {
    const recorder = world.gateway().connect({ saves: false });
    await recorder.start('small');
    await world.pass(30_200);
    recorder.send({ type: 'stop' });
    await world.pass(100);
    expect(recorder.closed).toBeNull();
    recorder.send({ type: 'saved', ok: true });
    await world.pass(100);
    expect(recorder.endReason()).toBe('limitReached');
  });

  it('nothing after the stop is counted, though its last word waits and it comes back', async () => {
    const gateway = world.gateway();
    const recorder = gateway.connect({ saves: false, answers: true });
    await recorder.start('small');
    await world.pass(29_500);
    recorder.answers = false;
    await world.pass(5_000);
    world.stores.losesAnswers = true;
    await world.pass(6_000);
    const back = gateway.connect();
    const { session } = recorder.last('started');
    back.send({ type: 'resume', session, checkpoint: recorder.checkpoint() });
    await world.pass(500);
    world.stores.losesAnswers = false;
    await world.pass(6_000);
    const row = await rowOf('small', session);
    expect(row).toMatchObject({ state: 'ended', reason: 'limitReached' });
    expect(row.totalMs).toBeLessThanOrEqual(30_000);
  });

  it('a paused or detached session of the budget is stopped with it', async () => {
    const gateway = world.gateway();
    const [one, paused, gone] = [gateway.connect(), gateway.connect(), gateway.connect()];
    await one.start('small', { user: 'a' });
    await paused.start('small', { user: 'b' });
    await gone.start('small', { user: 'c' });
    paused.send({ type: 'beat', seq: 0, state: 'paused' });
    await world.pass(50);
    gone.cut();
    await world.pass(31_000);
    expect(one.endReason()).toBe('limitReached');
    expect(paused.endReason()).toBe('limitReached');
    const back = gateway.connect();
    await back.resume(gone);
    await world.pass(100);
    expect(types(back)).toEqual(['started', 'tick', 'stop', 'ended']);
    expect(await world.stores.usedMs('small')).toBe(30_000);
  });

  it('sessions on a dead gateway leave the projection: the others are stopped in time', async () => {
    const [alive, dead] = [world.gateway(), world.gateway()];
    const one = alive.connect();
    await one.start('small', { user: 'a' });
    await dead.connect().start('small', { user: 'b' });
    await world.pass(4_000);
    dead.kill();
    await world.pass(26_500);
    expect(one.last('stop').reason).toBe('limitReached');
    expect(one.last('ended').summary.recordedMs).toBeGreaterThan(25_500);
    expect(await world.stores.usedMs('small')).toBeLessThanOrEqual(30_000);
  });
});

describe('a stop by its recorder', () => {
  it('counts to its receipt, and is answered with the whole account', async () => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('acme');
    await world.pass(7_000);
    recorder.send({ type: 'stop' });
    await world.pass(50);
    expect(recorder.last('ended')).toMatchObject({
      ...{ session, reason: 'stopped' },
      summary: { recordedMs: 7_020, bySource: { planMs: 7_020, extraMs: 0, overageMs: 0 } },
    });
    expect(recorder.closed).toEqual({ code: 1000, reason: 'normal' });
  });

  it('is told on coming back how it ended, where the connection was lost with the last word', async () => {
    const gateway = world.gateway();
    const recorder = gateway.connect();
    await recorder.start('acme');
    await world.pass(7_000);
    // Heard, and gone before the meter has answered.
    world.stores.delayMs = 20;
    recorder.send({ type: 'stop' });
    await world.pass(recorder.latencyMs + 5);
    recorder.cut();
    await world.pass(50);
    world.stores.delayMs = 0;
    expect(recorder.all('ended')).toEqual([]);
    const comeBack = async () => {
      const back = gateway.connect();
      const { session } = recorder.last('started');
      back.send({ type: 'resume', session, checkpoint: recorder.checkpoint() });
      await world.pass(50);
      return back.last('refused');
    };
    const told = await comeBack();
    expect(told).toMatchObject({ code: 'sessionEnded', ended: { reason: 'stopped' } });
    const { summary } = told.ended!;
    expect(summary.recordedMs).toBeGreaterThan(6_900);
    expect(summary.bySource.planMs).toBe(summary.recordedMs);
    expect(summary.endedAt - summary.startedAt).toBeGreaterThan(6_900);
    // And the same by the ledger, once the meter has let it go.
    await world.stores.settle('acme');
    await world.pass(100);
    expect((await comeBack()).ended).toMatchObject({
      reason: 'stopped',
      summary: { recordedMs: summary.recordedMs, endedAt: summary.endedAt },
    });
  });

  it('may come before `started`', async () => {
    const recorder = world.gateway().connect();
    recorder.send({ type: 'start', ticket: ticketOf('acme') });
    recorder.send({ type: 'stop' });
    await world.pass(50);
    expect(types(recorder)).toEqual(['started', 'ended']);
  });

  it('as `saved`, unasked, counts the same', async () => {
    const recorder = world.gateway().connect();
    await recorder.start('acme');
    await world.pass(3_000);
    recorder.send({ type: 'saved', ok: true });
    await world.pass(50);
    expect(recorder.last('ended').summary.recordedMs).toBe(3_020);
  });
});

it('a message that breaks the protocol ends the session', async () => {
  const recorder = world.gateway().connect();
  const { session } = await recorder.start('acme');
  recorder.send({ type: 'launch' });
  await world.pass(100);
  expect(recorder.closed?.code).toBe(4506);
  expect(await rowOf('acme', session)).toMatchObject({ state: 'ended', reason: 'badMessage' });
});

describe("an operator's stop", () => {
  it.each([
    ['at once', false, 50],
    ['with its next beat, where nobody told of it', true, 5_000],
  ])('reaches a session %s', async (_, isDeaf, withinMs) => {
    const recorder = world.gateway().connect();
    const { session } = await recorder.start('acme');
    await world.pass(3_000);
    world.stores.isDeaf = isDeaf;
    await world.stores.meter.stop('acme', session);
    await world.pass(withinMs);
    // No minutes help against it.
    expect(recorder.last('stop')).toMatchObject({ reason: 'stoppedByOperator', actions: [] });
    expect(recorder.closed).toEqual({ code: 4512, reason: 'stoppedByOperator' });
  });
});

it('a longest session of the plan stops as any budget does', async () => {
  world.stores.account('acme', { quotaMs: 600_000, limits: { maxSessionMs: 10_000 } });
  const recorder = world.gateway().connect();
  await recorder.start('acme');
  await world.pass(10_100);
  expect(recorder.last('stop')).toMatchObject({ reason: 'sessionLimit', binding: 'session' });
  const { summary } = recorder.last('ended');
  expect(summary.recordedMs - summary.overshootMs).toBe(10_000);
});

it('shadow mode warns, tells the source, and never stops', async () => {
  world.stores.account('shade', { quotaMs: 10_000, mode: 2 });
  const recorder = world.gateway().connect();
  await recorder.start('shade');
  await world.pass(30_000);
  expect(recorder.all('stop')).toEqual([]);
  expect(recorder.all('warning').map(({ threshold }) => threshold)).toEqual([
    { percent: 80 },
    { percent: 90 },
    { percent: 100 },
  ]);
  expect(recorder.last('source')).toMatchObject({ from: 'plan', to: 'overage' });
  expect(recorder.last('tick').reading).toMatchObject({ remainingMs: null, limitMs: null });
});

it('on the test clock the limit is exact, and comes at its instant', async () => {
  await world.end();
  world = beginWorld({ speed: 60 });
  world.stores.account('hour', { quotaMs: 3_600_000 });
  const recorder = world.gateway({ intervalMs: 1_000 }).connect();
  await recorder.start('hour');
  await world.pass(59_900);
  expect(recorder.all('stop')).toEqual([]);
  await world.pass(200);
  const { summary } = recorder.last('ended');
  expect(summary.recordedMs - summary.overshootMs).toBe(3_600_000);
  expect(summary.overshootMs).toBeLessThan(60 * 20);
});
