/** Rule 24: what the plan makes of an outage's time, and what is written of it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';
import { MAX_UNSAVED_OUTAGES } from './outage-book.ts';
import { beginWorld, type TestGateway, ticketOf, type World } from './test-gateway.ts';

let world: World;
let gateway: TestGateway;
beforeEach(() => {
  world = beginWorld();
  const forgiving = { outageTime: 'forgive' as const };
  world.stores.account('acme', { quotaMs: 600_000 });
  world.stores.account('kind', { quotaMs: 600_000, limits: forgiving });
  world.stores.account('brief', { limits: { ...forgiving, onMeterFailure: 'terminate' } });
  gateway = world.gateway();
});
afterEach(() => world.end());

async function rowOf(org: string, session: string) {
  const reply = await world.stores.model.readSession(org, session);
  if (reply.status !== 'ok') throw new Error(reply.status);
  return reply.session;
}

/** A session that has recorded for six seconds, and then for half a minute without Redis. */
async function awayFor30Seconds(org: string) {
  const recorder = gateway.connect();
  const { session } = await recorder.start(org);
  await world.pass(6_000);
  const before = await rowOf(org, session);
  world.stores.isAway = true;
  await world.pass(30_000);
  return { recorder, session, before };
}

/** What the ledger has of a session once all is settled. */
async function settled(org: string, session: string) {
  await world.stores.settle(org);
  const known = await world.stores.ledger.base(org, session);
  if (!known) throw new Error('the ledger does not know it');
  return known.base;
}

describe('time that the plan forgives', () => {
  it('is recorded beside the charge, and what came before and after it is charged', async () => {
    const recorder = gateway.connect();
    const { session } = await recorder.start('kind');
    await world.pass(12_000);
    const before = await rowOf('kind', session);
    world.stores.isAway = true;
    await world.pass(60_000);
    world.stores.isAway = false;
    await world.pass(2_000);
    const back = await rowOf('kind', session);
    // A beat of after it may have come already.
    expect(back.chargedMs).toBeLessThan(before.chargedMs + 6_000);
    expect(back.totalMs).toBeGreaterThan(65_000);
    expect(back.overshootMs).toBe(back.totalMs - back.chargedMs);
    await world.pass(20_000);
    recorder.send({ type: 'stop' });
    await world.pass(50);
    const { summary } = recorder.last('ended');
    expect(summary.recordedMs).toBe(94_020);
    expect(summary.overshootMs).toBe(back.overshootMs);
    const base = await settled('kind', session);
    expect(base).toMatchObject({ ended: true, overshootMs: summary.overshootMs });
    expect(base.chargedMs + base.overshootMs).toBe(summary.recordedMs);
    expect(await world.stores.usedMs('kind')).toBe(base.chargedMs);
  });

  it('is not charged by the last word of a session that stopped meanwhile', async () => {
    const { recorder, session, before } = await awayFor30Seconds('kind');
    const { chargedMs } = before;
    recorder.send({ type: 'stop' });
    await world.pass(5_000);
    world.stores.isAway = false;
    await world.pass(6_000);
    expect(recorder.last('ended').summary.recordedMs).toBe(36_020);
    const base = await settled('kind', session);
    expect(base.chargedMs).toBe(chargedMs);
    expect(base.chargedMs + base.overshootMs).toBe(36_020);
  });

  it('is not charged where its recorder comes back just then', async () => {
    const { recorder, session, before } = await awayFor30Seconds('kind');
    const { chargedMs } = before;
    recorder.cut();
    await world.pass(100);
    world.stores.isAway = false;
    const again = gateway.connect();
    again.send({ type: 'resume', session, checkpoint: recorder.checkpoint() });
    await world.pass(3_000);
    expect(again.last('started').reading.sessionMs).toBeGreaterThan(25_000);
    const row = await rowOf('kind', session);
    // What it took to come back counts like any gap.
    expect(row.chargedMs).toBeLessThan(chargedMs + 8_000);
    expect(row.overshootMs).toBeGreaterThan(24_000);
    expect(row.chargedMs + row.overshootMs).toBe(row.totalMs);
  });

  it('is forgiven even where the sweep has ended the session meanwhile', async () => {
    const { recorder, session, before } = await awayFor30Seconds('kind');
    const { totalMs, lastAnswerAt } = before;
    await world.stores.model.close({
      ...{ org: 'kind', session, reason: 'disconnected', gatewayWallMs: Date.now() },
      by: { sweep: { totalMs, lastAnswerAt } },
    });
    world.stores.isAway = false;
    await world.pass(2_000);
    expect(recorder.endReason()).toBe('disconnected');
    const base = await settled('kind', session);
    expect(base.chargedMs).toBe(totalMs);
    expect(base.overshootMs).toBeGreaterThan(24_000);
  });

  it('waits to be told where another one says meanwhile that the session has ended', async () => {
    const { recorder, session, before: row } = await awayFor30Seconds('kind');
    const { totalMs, lastAnswerAt } = row;
    const reply = await world.stores.model.close({
      ...{ org: 'kind', session, reason: 'disconnected', gatewayWallMs: Date.now() },
      by: { sweep: { totalMs, lastAnswerAt } },
    });
    if (reply.status !== 'ended') throw new Error(reply.status);
    const { hub, ending } = gateway.metering;
    ending.foundEnded(hub.get('kind', session)!, reply.session);
    await world.pass(100);
    world.stores.isAway = false;
    await world.pass(70_000);
    expect(recorder.endReason()).toBe('disconnected');
    const base = await settled('kind', session);
    expect(base.chargedMs).toBe(totalMs);
    expect(base.overshootMs).toBeGreaterThan(24_000);
  });

  it('is not charged either where it could not be told before its recorder is back', async () => {
    const { recorder, session, before } = await awayFor30Seconds('kind');
    const { chargedMs } = before;
    recorder.cut();
    const { assert } = world.stores.model;
    world.stores.model.assert = () => Promise.reject(new Error('not now'));
    world.stores.isAway = false;
    const again = gateway.connect();
    again.send({ type: 'resume', session, checkpoint: recorder.checkpoint() });
    await world.pass(3_000);
    world.stores.model.assert = assert;
    await world.pass(10_000);
    const row = await rowOf('kind', session);
    expect(row.chargedMs).toBeLessThan(chargedMs + 15_000);
    expect(row.chargedMs + row.overshootMs).toBe(row.totalMs);
  });

  it('is forgiven also where Redis comes back empty', async () => {
    const { session, before } = await awayFor30Seconds('kind');
    const { totalMs } = before;
    world.stores.empty();
    world.stores.isAway = false;
    await world.pass(1_000);
    const row = await rowOf('kind', session);
    expect(row.chargedMs).toBe(totalMs);
    expect(row.overshootMs).toBeGreaterThan(24_000);
    expect(row.totalMs).toBe(row.chargedMs + row.overshootMs);
  });

  it('what the meter took, and could not answer, stays charged and is not forgiven twice', async () => {
    const recorder = gateway.connect();
    const { session } = await recorder.start('kind');
    await world.pass(6_000);
    world.stores.losesAnswers = true;
    await world.pass(30_000);
    world.stores.losesAnswers = false;
    await world.pass(6_000);
    const row = await rowOf('kind', session);
    expect(row.chargedMs).toBeGreaterThan(9_000);
    expect(row.overshootMs).toBeGreaterThan(15_000);
    expect(row.chargedMs + row.overshootMs).toBe(row.totalMs);
    expect(row.totalMs).toBeGreaterThan(35_000);
  });

  it('is no matter of a session that goes on elsewhere: its late proofs are fenced', async () => {
    world.stores.isDeaf = true;
    const recorder = gateway.connect();
    const { session } = await recorder.start('kind');
    await world.pass(12_000);
    const back = world.gateway().connect();
    const checkpoint = recorder.checkpoint();
    back.send({ type: 'resume', session, checkpoint });
    await world.pass(100);
    back.send({ type: 'stop' });
    await world.pass(100);
    const { recordedMs } = back.last('ended').summary;
    // The first one is still answered, and hears only now that it is the owner no more.
    await world.pass(10_000);
    expect(recorder.closed?.reason).toBe('superseded');
    world.stores.empty();
    await world.pass(70_000);
    const base = await settled('kind', session);
    expect(base.chargedMs + base.overshootMs).toBe(recordedMs);
  });

  it('ends with the patience of the plan, whose stop says why', async () => {
    const recorder = gateway.connect();
    const { session } = await recorder.start('brief');
    await world.pass(6_000);
    const { chargedMs } = await rowOf('brief', session);
    world.stores.isAway = true;
    await world.pass(60_000);
    expect(recorder.last('stop').reason).toBe('meterUnavailable');
    expect(recorder.closed?.code).toBe(4510);
    world.stores.isAway = false;
    await world.pass(10_000);
    const base = await settled('brief', session);
    expect(base).toMatchObject({ ended: true, reason: 'meterUnavailable', chargedMs });
    expect(base.overshootMs).toBeLessThan(40_000);
  });
});

describe('without Postgres', () => {
  it('who is not known is refused with a clear word, and who runs hears nothing of it', async () => {
    const running = gateway.connect();
    await running.start('acme');
    await world.pass(6_000);
    world.stores.isLedgerAway = true;
    const recorder = gateway.connect();
    recorder.send({ type: 'start', ticket: ticketOf('kind', 'new') });
    await world.pass(50);
    expect(recorder.last('refused')).toMatchObject({
      code: 'meterUnavailable',
      actions: [{ type: 'wait' }],
    });
    expect(recorder.closed?.code).toBe(4510);
    // Longer than the plan bears to be without the meter: it is not without it.
    await world.pass(660_000);
    expect(running.last('stop').reason).toBe('limitReached');
    expect(await world.stores.usedMs('acme')).toBe(600_000);
  });
});

describe('of an outage is written', () => {
  it('when it was, whose words waited, and what became of them', async () => {
    const [ann, bob] = [gateway.connect(), gateway.connect()];
    const { session } = await ann.start('acme');
    const { session: other } = await bob.start('kind');
    await world.pass(6_000);
    const before = await Promise.all([rowOf('acme', session), rowOf('kind', other)]);
    world.stores.isAway = true;
    const beganAt = Date.now();
    await world.pass(60_000);
    world.stores.isAway = false;
    await world.pass(20_000);
    const [outage, ...more] = gateway.outages;
    expect(more).toEqual([]);
    expect(outage).toMatchObject({ part: 'redis', bothAway: false, sessions: 2, terminated: 0 });
    expect(outage!.beganAt - beganAt).toBeLessThan(6_000);
    expect(outage!.endedAt - beganAt).toBeGreaterThan(55_000);
    const after = await rowOf('kind', other);
    expect(outage!.forgivenMs).toBe(after.overshootMs - before[1].overshootMs);
    expect(outage!.chargedMs + outage!.forgivenMs).toBe(outage!.countedMs);
    expect(outage!.chargedMs).toBeGreaterThan(50_000);
  });

  it('that sessions were ended by it; and the row waits for Postgres, which was away, too', async () => {
    const recorder = gateway.connect();
    await recorder.start('brief');
    await world.pass(6_000);
    gateway.metering.book.began('postgres');
    world.stores.isLedgerAway = true;
    world.stores.isAway = true;
    await world.pass(60_000);
    world.stores.isAway = false;
    await world.pass(30_000);
    expect(gateway.outages).toEqual([]);
    gateway.metering.book.ended('postgres');
    world.stores.isLedgerAway = false;
    await world.pass(12_000);
    expect(
      gateway.outages.map(({ part, bothAway, terminated }) => [part, bothAway, terminated]),
    ).toEqual([
      ['redis', true, 1],
      ['postgres', true, 0],
    ]);
    expect(gateway.metering.book.totals('redis')).toMatchObject({ outages: 1, terminated: 1 });
    const metrics = await createMetrics(gateway.metering, () => 0).metrics();
    expect(metrics).toContain('taximeter_gateway_outages_total{part="redis"} 1');
    expect(metrics).toContain('taximeter_gateway_outage_terminated_total{part="redis"} 1');
  });

  it('so many as fit into the memory, while Postgres takes none; the others are in the log', async () => {
    const { book } = gateway.metering;
    world.stores.isLedgerAway = true;
    for (let i = 0; i < MAX_UNSAVED_OUTAGES + 5; i++) {
      book.began('redis');
      book.ended('redis');
    }
    await world.pass(15_000);
    expect(gateway.logged.map(({ msg }) => msg)).toEqual(
      Array(5).fill('too many outages wait for Postgres: one is only here'),
    );
    world.stores.isLedgerAway = false;
    await world.pass(2_000);
    expect(gateway.outages).toHaveLength(MAX_UNSAVED_OUTAGES);
  });
});
