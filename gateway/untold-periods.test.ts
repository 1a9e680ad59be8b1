/** An outage across a period's end, whose gateway is gone before the meter is back (rules 19 and 23). */
import { afterEach, expect, it } from 'vitest';
import {
  beginLostGateway,
  expectAbout,
  INTERVAL_MS,
  type LostGateway,
  SLACK_MS,
} from './test-lost-gateway.ts';
import { BEGIN, PERIOD_MS } from './test-meter.ts';

let stage: LostGateway;
afterEach(() => stage.world.end());

/** A session that begins so long before the end of its period, and loses the meter after `toldMs`. */
async function beginBefore(
  beforeBoundaryMs: number,
  toldMs: number,
  org = 'acme',
): Promise<string> {
  stage = beginLostGateway({ beforeBoundaryMs });
  const { session } = await stage.recorder.start(org);
  await stage.world.pass(toldMs);
  stage.world.stores.isAway = true;
  return session;
}

it('is charged in both, split at the boundary', async () => {
  const session = await beginBefore(30_000, 10_000);
  await stage.world.pass(60_000);
  const back = await stage.comeBack(5_000);
  expectAbout((await stage.end(back)).recordedMs, 75_000);
  const reply = await stage.world.stores.model.readSession('acme', session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  const [first, second] = reply.session.marks;
  expect(first).toEqual({ period: BEGIN, chargedMs: 0 });
  expect(second!.period).toBe(BEGIN + PERIOD_MS);
  expectAbout(second!.chargedMs, 30_000);
});

it('a pause that began before the boundary is one behind it, too', async () => {
  await beginBefore(12_000, 11_000);
  await stage.world.pass(600);
  stage.say('paused');
  await stage.world.pass(6_000);
  const back = await stage.comeBack(4_500, 'acme');
  expect(back.last('started')).toMatchObject({ resumed: true, state: 'paused' });
  expectAbout((await stage.end(back)).recordedMs, 11_600);
});

it('what was recorded before the boundary is not eaten by a pause behind it', async () => {
  await beginBefore(70_000, INTERVAL_MS + 100);
  await stage.world.pass(60_000);
  stage.say('paused');
  await stage.world.pass(70_000);
  const back = await stage.comeBack(5_000);
  expectAbout((await stage.end(back)).recordedMs, INTERVAL_MS + 60_100);
});

it('a pause behind the boundary is not charged as a gap since the boundary', async () => {
  await beginBefore(12_000, 11_000);
  await stage.world.pass(2_000);
  stage.say('paused');
  await stage.world.pass(5_000);
  stage.say('recording');
  await stage.world.pass(500);
  const back = await stage.comeBack(4_500, 'acme');
  expectAbout((await stage.end(back)).recordedMs, 18_000);
});

it('what is forgiven is not charged as a gap since the boundary', async () => {
  await beginBefore(30_000, 10_100, 'kind');
  await stage.world.pass(30_000);
  const back = await stage.comeBack(5_000, 'kind');
  const { recordedMs, overshootMs } = await stage.end(back);
  // 9.0 s were told, and from the last answered tick on, 11.1 s ago, it is a gap.
  expect(recordedMs - overshootMs).toBeLessThanOrEqual(20_100 + SLACK_MS);
});
