/**
 * What a gateway proved while the meter was away, and could tell nobody before it was gone: its recorder
 * has it in its checkpoint (rule 23), with what it did last.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ticketOf } from './test-gateway.ts';
import {
  beginLostGateway,
  expectAbout,
  INTERVAL_MS,
  type LostGateway,
} from './test-lost-gateway.ts';

let stage: LostGateway;
beforeEach(() => {
  stage = beginLostGateway();
});
afterEach(() => stage.world.end());

describe('a gateway that is gone before the meter is back', () => {
  it('takes no pause with it: the time after it does not count', async () => {
    const { world, recorder } = stage;
    await recorder.start('acme');
    await world.pass(3 * INTERVAL_MS + 100);
    world.stores.isAway = true;
    await world.pass(2_900);
    stage.say('paused');
    await world.pass(100);
    const back = await stage.comeBack(10_000);
    expect(back.last('started')).toMatchObject({ resumed: true, state: 'paused' });
    await world.pass(7_000);
    expectAbout((await stage.end(back)).recordedMs, 18_000);
  });

  it('takes no pause with it that it heard of while the meter was still being asked', async () => {
    const { world, recorder } = stage;
    await recorder.start('acme');
    await world.pass(3 * INTERVAL_MS + 100);
    world.stores.isAway = true;
    world.stores.delayMs = 2_000;
    await world.pass(2_900);
    stage.say('paused');
    await world.pass(1_500);
    world.stores.delayMs = 0;
    const back = await stage.comeBack(10_000);
    expect(back.last('started')).toMatchObject({ resumed: true, state: 'paused' });
    expectAbout((await stage.end(back)).recordedMs, 18_000);
  });

  it.each([
    ['two intervals', 2 * INTERVAL_MS + 100],
    ['no answered tick', 2_000],
  ])('takes no end of a pause with it, %s after it', async (_, recordedMs) => {
    const { world, recorder } = stage;
    await recorder.start('acme');
    await world.pass(INTERVAL_MS + 100);
    stage.say('paused');
    await world.pass(INTERVAL_MS);
    world.stores.isAway = true;
    await world.pass(2_000);
    stage.say('recording');
    await world.pass(recordedMs);
    const back = await stage.comeBack(8_000);
    expect(back.last('started')).toMatchObject({ resumed: true, state: 'recording' });
    expectAbout((await stage.end(back)).recordedMs, INTERVAL_MS + 100 + recordedMs + 8_000);
  });

  it.each(['acme', 'kind'])('of %s takes nothing of a long outage with it', async (org) => {
    const { world, recorder } = stage;
    await recorder.start(org);
    await world.pass(2 * INTERVAL_MS + 100);
    world.stores.isAway = true;
    await world.pass(12 * INTERVAL_MS);
    const { recordedMs, overshootMs } = await stage.end(await stage.comeBack(8_000));
    expectAbout(recordedMs, 14 * INTERVAL_MS + 100 + 8_000);
    // From the last tick whose answer the meter took to the last one that was answered.
    expect(overshootMs).toBe(org === 'kind' ? 11 * INTERVAL_MS : 0);
  });

  it('takes nothing with it where the ledger has an end that nobody was told', async () => {
    const { world, gateway, recorder } = stage;
    const { session } = await recorder.start('acme');
    await world.pass(2 * INTERVAL_MS + 100);
    world.stores.isAway = true;
    await world.pass(12 * INTERVAL_MS);
    gateway.kill();
    recorder.cut();
    await world.pass(3_000);
    world.stores.isAway = false;
    const { model } = world.stores;
    const read = await model.readSession('acme', session);
    if (read.status !== 'ok') throw new Error(read.status);
    const { totalMs, lastAnswerAt } = read.session;
    await model.close({
      ...{ org: 'acme', session, reason: 'disconnected', gatewayWallMs: Date.now() },
      by: { sweep: { totalMs, lastAnswerAt } },
    });
    await world.stores.settle('acme');
    await world.pass(3_000);
    const back = world.gateway().connect();
    const checkpoint = recorder.checkpoint();
    back.send({ type: 'resume', session, checkpoint, ticket: ticketOf('acme') });
    await world.pass(2_000);
    await world.stores.settle('acme');
    const known = await world.stores.ledger.base('acme', session);
    expectAbout(known!.base.chargedMs, totalMs + 11 * INTERVAL_MS);
  });

  it.each([
    ['acme', INTERVAL_MS],
    ['kind', 2 * INTERVAL_MS],
  ])('brings a trusted recorder of %s nothing past a later owner', async (org, mostMs) => {
    const { world, gateway, recorder } = stage;
    const ticket = () => ticketOf(org, 'ann', true);
    const { session } = await recorder.start(org, { ticket: ticket() });
    await world.pass(2 * INTERVAL_MS + 100);
    recorder.send({ type: 'beat', seq: recorder.last('tick').seq, capturedMs: 600_000 });
    world.stores.isAway = true;
    await world.pass(12 * INTERVAL_MS);
    const checkpoint = recorder.checkpoint();
    gateway.kill();
    recorder.cut();
    await world.pass(3_000);
    world.stores.isAway = false;
    await world.pass(30_000);
    const later = world.gateway().connect();
    later.send({ type: 'resume', session, ticket: ticket() });
    await world.pass(100);
    expect(later.last('started').epoch).toBe(2);
    later.cut();
    await world.pass(30_000);
    const back = world.gateway().connect();
    back.send({ type: 'resume', session, ticket: ticket(), checkpoint, capturedMs: 600_000 });
    await world.pass(100);
    const { recordedMs, overshootMs } = await stage.end(back);
    expect(recordedMs - overshootMs).toBeLessThanOrEqual(mostMs + 1_000);
  });
});

describe('a gateway that lives', () => {
  it.each([
    ['elsewhere', 'paused', 18_000],
    ['at the same gateway', 'paused', 18_000],
    ['elsewhere', 'recording', 25_100],
  ] as const)(
    'tells first what its recorder did last: resumed %s it was %s',
    async (where, is, ms) => {
      const { world, gateway, recorder } = stage;
      await recorder.start('acme');
      if (is === 'recording') {
        await world.pass(INTERVAL_MS + 100);
        stage.say('paused');
        await world.pass(2 * INTERVAL_MS);
      } else {
        await world.pass(3 * INTERVAL_MS + 100);
      }
      world.stores.isAway = true;
      await world.pass(2_900);
      stage.say(is);
      await world.pass(is === 'recording' ? 2 * INTERVAL_MS : 100);
      recorder.cut();
      await world.pass(3_000);
      world.stores.isAway = false;
      await world.pass(7_000);
      const back = (where === 'elsewhere' ? world.gateway() : gateway).connect();
      await back.resume(recorder);
      expect(back.last('started')).toMatchObject({ resumed: true, state: is });
      expectAbout((await stage.end(back)).recordedMs, ms);
    },
  );
});
