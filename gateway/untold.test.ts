/**
 * What a gateway proved while the meter was away, and could tell nobody before it was gone: its recorder
 * has it in its checkpoint (rule 23), with what it did last.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { beginWorld, type Recorder, type TestGateway, type World } from './test-gateway.ts';

/** Messages under way, each way, and the whole milliseconds of a few answers. */
const SLACK_MS = 80;
/** Ticks come every 5 s: what comes after the last answer counts with the gap. */
const INTERVAL_MS = 5_000;

let world: World;
let gateway: TestGateway;
let recorder: Recorder;
beforeEach(async () => {
  world = beginWorld();
  world.stores.account('acme', { quotaMs: 600_000 });
  world.stores.account('kind', { quotaMs: 600_000, limits: { outageTime: 'forgive' } });
  gateway = world.gateway();
  recorder = gateway.connect();
});
afterEach(() => world.end());

const say = (state: 'recording' | 'paused') =>
  recorder.send({ type: 'beat', seq: recorder.last('tick').seq, state });

/** Its gateway is gone at once, the meter is back 3 s later, and its recorder after `awayMs`. */
async function comeBack(awayMs: number): Promise<Recorder> {
  gateway.kill();
  recorder.cut();
  await world.pass(3_000);
  world.stores.isAway = false;
  await world.pass(awayMs - 3_000);
  const back = world.gateway().connect();
  await back.resume(recorder);
  return back;
}

async function end(back: Recorder) {
  back.send({ type: 'stop' });
  await world.pass(1_000);
  return back.last('ended').summary;
}

function expectAbout(ms: number, expectedMs: number): void {
  expect(Math.abs(ms - expectedMs)).toBeLessThanOrEqual(SLACK_MS);
}

it('a pause that the meter could not be told is one: the time after it does not count', async () => {
  await recorder.start('acme');
  await world.pass(3 * INTERVAL_MS + 100);
  world.stores.isAway = true;
  await world.pass(2_900);
  say('paused');
  await world.pass(100);
  const back = await comeBack(10_000);
  expect(back.last('started')).toMatchObject({ resumed: true, state: 'paused' });
  await world.pass(7_000);
  expectAbout((await end(back)).recordedMs, 18_000);
});

it('the end of a pause that the meter could not be told is one, too', async () => {
  await recorder.start('acme');
  await world.pass(INTERVAL_MS + 100);
  say('paused');
  await world.pass(INTERVAL_MS);
  world.stores.isAway = true;
  await world.pass(2_000);
  say('recording');
  await world.pass(2 * INTERVAL_MS + 100);
  const back = await comeBack(8_000);
  expect(back.last('started')).toMatchObject({ resumed: true, state: 'recording' });
  expectAbout((await end(back)).recordedMs, INTERVAL_MS + 100 + 2 * INTERVAL_MS + 100 + 8_000);
});

it.each(['acme', 'kind'])('of %s an outage longer than the longest gap is known', async (org) => {
  await recorder.start(org);
  await world.pass(2 * INTERVAL_MS + 100);
  world.stores.isAway = true;
  await world.pass(12 * INTERVAL_MS);
  const back = await comeBack(8_000);
  const { recordedMs, overshootMs } = await end(back);
  expectAbout(recordedMs, 14 * INTERVAL_MS + 100 + 8_000);
  // From the last tick whose answer the meter took to the last one that was answered.
  expect(overshootMs).toBe(org === 'kind' ? 11 * INTERVAL_MS : 0);
});

it('no further than to the end of its period', async () => {
  await world.end();
  world = beginWorld({ beforeBoundaryMs: 30_000 });
  world.stores.account('acme', { quotaMs: 600_000 });
  gateway = world.gateway();
  recorder = gateway.connect();
  await recorder.start('acme');
  await world.pass(10_000);
  world.stores.isAway = true;
  await world.pass(60_000);
  const back = await comeBack(5_000);
  const { recordedMs } = await end(back);
  // The gap since the boundary is longer than what counts.
  expectAbout(recordedMs, 30_000);
});
