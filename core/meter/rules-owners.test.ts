/** Owners and ends, and the boundary of a period: rules 15 to 20 of README.md. */
import { expect, it } from 'vitest';
import { organizationBudget } from './budget-name.ts';
import { onModelAndRedis } from './test-each.ts';
import { BOUNDARY, ORG, START, USER, witnessOf } from './test-world.ts';

onModelAndRedis('an owner', (begin) => {
  it('rule 15: words of an older epoch change nothing, words of a newer one are not known', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    const first = await world.session('a');
    await world.advance(1_000);
    await world.subject.takeEvents();
    const taken = await world.open('a', { kind: 'resume' });
    const epoch = { generation: 1, counter: 2 };
    expect(taken).toMatchObject({ status: 'resumed', session: { epoch, totalMs: 1_000 } });
    const told = { kind: 'superseded', org: ORG, session: 'a' };
    expect(await world.subject.takeEvents()).toContainEqual(expect.objectContaining(told));
    const late = { epoch: first.epoch, state: 'paused' } as const;
    expect(await world.beat('a', 9_000, late)).toMatchObject({ status: 'superseded' });
    const newer = { generation: 1, counter: 3 };
    expect(await world.beat('a', 9_000, { epoch: newer })).toMatchObject({ status: 'unknown' });
    const close = { org: ORG, session: 'a', reason: 'late', gatewayWallMs: world.now };
    const by = { owner: first.epoch, totalMs: 9_000, ageMs: 0 };
    expect(await world.subject.meter.close({ ...close, by })).toMatchObject({
      status: 'superseded',
    });
    const row = await world.session('a');
    expect(row).toMatchObject({ state: 'recording', totalMs: 1_000, epoch });
  });

  it('rule 16: a later, larger total of an ended session is still charged and written', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.advance(5_000);
    await world.close('a', 4_000, 1_000);
    expect(await world.organization()).toMatchObject({ burnRate: 0, usedMs: 4_000 });
    expect(await world.beat('a', 4_500)).toMatchObject({ status: 'ended', chargedMs: 4_500 });
    expect(await world.minutes()).toEqual({ [`a|0|${START}`]: 4_500 });
    const row = { state: 'ended', reason: 'stopped', endedAt: START + 5_000 };
    expect(await world.session('a')).toMatchObject(row);
    expect(await world.close('a', 4_600)).toMatchObject({ status: 'ended', session: row });
    expect(await world.organization()).toMatchObject({ burnRate: 0, usedMs: 4_600 });
    // What stops after its end is not what stopped it.
    await world.open('b');
    await world.beat('b', 5_400);
    expect(await world.organization()).toMatchObject({ usedMs: 10_000, stops: 1 });
    expect(await world.close('a', 4_700)).toMatchObject({
      session: { stoppedBy: '', overshootMs: 100 },
    });
  });

  it('rule 1: an end with a lower total ends, and moves nothing', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.advance(5_000);
    await world.beat('a', 5_000);
    await world.advance(2_000);
    const row = { state: 'ended', totalMs: 5_000, chargedUpTo: START + 5_000 };
    expect(await world.close('a', 4_000)).toMatchObject({ status: 'ended', session: row });
    expect(await world.organization()).toMatchObject({ usedMs: 5_000, burnRate: 0 });
  });

  it('rule 16: ended stays ended, and the unknown is looked up before it is thought new', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.close('a', 0);
    expect(await world.open('a')).toMatchObject({ status: 'ended' });
    const marks = [{ period: START, chargedMs: 0 }];
    const known = { startedAt: START, reason: 'stopped', overshootMs: 0, marks, chargedMs: 500 };
    world.bases.set('b', { ...known, ended: true });
    expect(await world.open('b')).toMatchObject({
      status: 'ended',
      session: { totalMs: 500, reason: 'stopped' },
    });
    // The ledger has all of it: no record of it is kept.
    expect(await world.subject.meter.readSession(ORG, 'b')).toEqual({ status: 'unknown' });
    world.bases.set('c', { ...known, ended: false });
    expect(await world.open('c')).toMatchObject({ status: 'resumed', session: { totalMs: 500 } });
    expect(await world.open('d', { kind: 'resume' })).toMatchObject({ status: 'unknown' });
    expect(await world.open('c', { user: 'ben' })).toMatchObject({ status: 'foreign' });
    const reply = await world.subject.meter.readSession(ORG, 'd');
    expect(reply).toMatchObject({ status: 'unknown' });
  });

  it('rule 17: the sweep ends only what has not changed between two looks', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.beat('a', 0, { state: 'paused' });
    const sweep = async () => {
      const { totalMs, lastAnswerAt } = await world.session('a');
      return { sweep: { totalMs, lastAnswerAt } };
    };
    const by = await sweep();
    const close = () => ({ org: ORG, session: 'a', reason: 'lost', gatewayWallMs: world.now });
    await world.advance(1_000);
    await world.beat('a', 0, { state: 'paused' });
    const { meter } = world.subject;
    expect(await meter.close({ ...close(), by })).toMatchObject({ status: 'changed' });
    const second = await sweep();
    await world.advance(120_000);
    // Its checkpoint tells more of it, though nobody has answered.
    const row = await world.session('a');
    const epoch = { generation: 1, counter: 0 };
    const witness = witnessOf(row, { epoch, totalMs: 500, at: START + 500 });
    const late = { kind: 'resume', witness, authenticates: true } as const;
    expect(await world.open('a', late)).toMatchObject({ status: 'checkpointInvalid' });
    expect(await meter.close({ ...close(), by: second })).toMatchObject({ status: 'changed' });
    const third = await sweep();
    const reply = await meter.close({ ...close(), by: third });
    expect(reply).toMatchObject({ status: 'ended', session: { reason: 'lost', totalMs: 500 } });
    expect(await meter.close({ ...close(), by: third })).toMatchObject({ status: 'changed' });
    expect(await meter.liveSessions(ORG)).toMatchObject({ sessions: [] });
  });
});

onModelAndRedis('a period boundary', (begin) => {
  it('rule 19: a charge is split exactly, and each period has its part of the minute', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.seed({ quotaMs: 100_000, period: BOUNDARY });
    await world.setNow(BOUNDARY - 40_000);
    await world.open('a');
    await world.advance(30_000);
    await world.beat('a', 30_000);
    await world.advance(25_000);
    const reply = await world.beat('a', 55_000);
    expect(reply).toMatchObject({ status: 'ok', chargedMs: 55_000, period: BOUNDARY });
    expect(await world.organization()).toMatchObject({ usedMs: 40_000, burnRate: 0 });
    expect(await world.member()).toMatchObject({ usedMs: 40_000, burnRate: 0, frontierSumMs: 0 });
    const next = { usedMs: 15_000, burnRate: 1, frontierSumMs: 15_000 };
    expect(await world.organization(BOUNDARY)).toMatchObject(next);
    expect(await world.member(BOUNDARY)).toMatchObject(next);
    await world.advance(10_000);
    await world.beat('a', 65_000, { state: 'paused' });
    const marks = [
      { period: START, chargedMs: 0 },
      { period: BOUNDARY, chargedMs: 40_000 },
    ];
    expect(await world.session('a')).toMatchObject({ marks, period: BOUNDARY });
    expect(await world.minutes()).toEqual({
      [`a|0|${START}`]: 40_000,
      [`a|0|${BOUNDARY}`]: 20_000,
      [`a|1|${BOUNDARY}`]: 5_000,
    });
  });

  it('rule 19: the old period takes what was measured before it, also at the very instant', async () => {
    const world = await begin();
    await world.seed();
    await world.seed({ period: BOUNDARY });
    await world.setNow(BOUNDARY - 1_000);
    await world.open('late');
    await world.open('exact');
    await world.setNow(BOUNDARY);
    expect(await world.beat('late', 999, { ageMs: 1 })).toMatchObject({ period: START });
    expect(await world.beat('exact', 1_000)).toMatchObject({ period: BOUNDARY });
    expect(await world.organization()).toMatchObject({ usedMs: 1_999, burnRate: 1 });
    const next = { usedMs: 0, burnRate: 1, frontierSumMs: 0 };
    expect(await world.organization(BOUNDARY)).toMatchObject(next);
  });

  it('rule 19: where the next period is missing, charging waits at the boundary', async () => {
    const world = await begin();
    await world.seed();
    await world.setNow(BOUNDARY - 1_000);
    await world.open('a');
    await world.advance(3_000);
    const waits = { status: 'ok', totalMs: 1_000, missingPeriod: BOUNDARY, period: START };
    expect(await world.beat('a', 3_000)).toMatchObject(waits);
    expect(await world.beat('a', 3_000)).toMatchObject(waits);
    expect(await world.session('a')).toMatchObject({ chargedUpTo: BOUNDARY });
    await world.seed({ period: BOUNDARY });
    const goesOn = { totalMs: 3_000, missingPeriod: null, period: BOUNDARY };
    expect(await world.beat('a', 3_000)).toMatchObject(goesOn);
    expect(await world.organization()).toMatchObject({ usedMs: 1_000 });
    expect(await world.organization(BOUNDARY)).toMatchObject({ usedMs: 2_000 });
  });

  it('rule 19: a session moves without growth, and a stopped one stays stopped', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 1_000 });
    await world.seed({ quotaMs: 50_000, period: BOUNDARY });
    await world.setNow(BOUNDARY - 5_000);
    await world.open('paused');
    await world.beat('paused', 0, { state: 'paused' });
    await world.open('stopped');
    await world.advance(1_000);
    expect(await world.beat('stopped', 1_000)).toMatchObject({ status: 'stopped' });
    await world.open('x');
    await world.setNow(BOUNDARY + 1_000);
    const stopped = { status: 'stopped', period: BOUNDARY };
    expect(await world.beat('stopped', 1_000)).toMatchObject(stopped);
    expect(await world.beat('paused', 0, { state: 'paused' })).toMatchObject(stopped);
    expect(await world.organization(BOUNDARY)).toMatchObject({ usedMs: 0, burnRate: 0 });
  });

  it('rule 6: who was stopped and has not answered stands in no pair of the next period', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 1_000 });
    await world.seed({ quotaMs: 50_000, period: BOUNDARY });
    await world.setNow(BOUNDARY - 5_000);
    await world.open('silent', { sessionLimitMs: 60_000 });
    await world.open('a');
    await world.advance(1_000);
    expect(await world.beat('a', 1_000)).toMatchObject({ status: 'stopped' });
    await world.setNow(BOUNDARY + 1_000);
    const stopped = { status: 'stopped', period: BOUNDARY, chargedMs: 0 };
    expect(await world.beat('silent', 5_000)).toMatchObject(stopped);
    const next = { usedMs: 0, burnRate: 0, frontierSumMs: 0 };
    expect(await world.organization(BOUNDARY)).toMatchObject(next);
    expect(await world.member(BOUNDARY)).toMatchObject(next);
    expect(await world.own('silent')).toMatchObject({ burnRate: 0, frontierSumMs: 0 });
  });

  it('rule 6: a session that comes upon a stopped budget is stopped by it', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.seed({ quotaMs: 100_000, memberQuotaMs: 0, period: BOUNDARY });
    await world.setNow(BOUNDARY - 1_000);
    await world.open('a');
    await world.advance(3_000);
    const reply = await world.beat('a', 3_000);
    expect(reply).toMatchObject({ status: 'stopped', chargedMs: 1_000, overshootMs: 2_000 });
    const stoppedBy = `m|${ORG}|${USER}|${BOUNDARY}`;
    expect(await world.session('a')).toMatchObject({ stoppedBy });
    expect(await world.organization(BOUNDARY)).toMatchObject({ burnRate: 0, usedMs: 0 });
  });

  it('rule 7: a draw on extra minutes moves the limit of the next period, and is told', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 1_000, grantedMs: 5_000 });
    await world.seed({ quotaMs: 1_000, grantedMs: 5_000, period: BOUNDARY });
    await world.open('a');
    const { seq } = await world.organization(BOUNDARY);
    await world.subject.takeEvents();
    await world.beat('a', 3_000);
    const row = await world.organization(BOUNDARY);
    expect(row).toMatchObject({ remainingMs: 4_000, extraRemainingMs: 3_000 });
    expect(row.seq).toBeGreaterThan(seq);
    expect(await world.subject.takeEvents()).toContainEqual({ kind: 'budget', row });
  });

  it('rule 20: a boundary is believed only if the clocks agree within 2 s', async () => {
    const world = await begin();
    await world.seed();
    await world.seed({ period: BOUNDARY });
    await world.setNow(BOUNDARY - 1_000);
    await world.open('a');
    await world.advance(2_000);
    for (const wallMs of [world.now - 2_001, world.now + 2_001]) {
      const doubted = { totalMs: 1_000, boundaryDoubted: true, missingPeriod: null, period: START };
      expect(await world.beat('a', 2_000, { wallMs })).toMatchObject(doubted);
    }
    const believed = { totalMs: 2_000, boundaryDoubted: false, period: BOUNDARY };
    expect(await world.beat('a', 2_000, { wallMs: world.now - 2_000 })).toMatchObject(believed);
    const name = organizationBudget(ORG, BOUNDARY);
    const reply = await world.subject.meter.readBudgets(ORG, [name]);
    expect(reply).toMatchObject({ budgets: [{ usedMs: 1_000, burnRate: 1 }] });
  });
});
