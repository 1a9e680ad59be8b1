/** When a budget stops, whom, and who may start meanwhile: rule 6 of README.md. */
import { expect, it } from 'vitest';
import { organizationBudget } from './budget-name.ts';
import { onModelAndRedis } from './test-each.ts';
import { BOUNDARY, ORG, SHARD, START } from './test-world.ts';

onModelAndRedis('a stop by projection', (begin) => {
  it('comes at T and not before, and the answers are billed to the limit exactly', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.open('b');
    await world.advance(4_000);
    await world.beat('a', 4_000);
    await world.beat('b', 4_000);
    await world.advance(999);
    expect(await world.deadline()).toMatchObject({ status: 'again' });
    await world.advance(1);
    expect(await world.deadline()).toMatchObject({
      status: 'stopped',
      budget: { burnRate: 0, stops: 1, stoppedAt: START + 5_000, stopReason: 'limitReached' },
    });
    expect((await world.organization()).crossed).toEqual([1, 1, 1]);
    await world.advance(30);
    expect(await world.beat('a', 5_020)).toMatchObject({ status: 'stopped', chargedMs: 5_020 });
    expect(await world.beat('b', 5_010)).toMatchObject({ status: 'stopped', chargedMs: 4_980 });
    expect(await world.organization()).toMatchObject({ usedMs: 10_000, remainingMs: 0, stops: 1 });
    expect(await world.deadline()).toMatchObject({ status: 'again' });
  });

  it('does not come early for a session that died: it stalls, and rejoins with its next word', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('alive');
    await world.open('dead');
    await world.advance(5_000);
    await world.beat('alive', 5_000);
    // With both, T is now. The dead one has proved nothing for 5 s.
    expect(await world.deadline()).toMatchObject({ status: 'again', budget: { burnRate: 1 } });
    expect(await world.session('dead')).toMatchObject({ state: 'stalled' });
    await world.advance(1_000);
    expect(await world.beat('dead', 500)).toMatchObject({ status: 'ok', chargedMs: 500 });
    expect(await world.organization()).toMatchObject({ burnRate: 2, frontierSumMs: 11_000 });
  });

  it('a probe tells the living: a proof just 2 s old still counts', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.open('b');
    await world.advance(3_000);
    await world.beat('a', 3_000);
    await world.beat('b', 3_000);
    await world.advance(2_000);
    expect(await world.deadline()).toMatchObject({ status: 'stopped' });
    expect(await world.session('b')).toMatchObject({ state: 'recording' });
  });

  it('the 2 s are real time, whatever the speed of the clock', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 600_000 });
    await world.open('a');
    await world.open('b');
    const at = START + 300_000;
    const fast = { meterBaseAt: at, realBaseAt: at, speed: 60, frozen: true };
    await world.subject.setClock(SHARD, fast);
    await world.beat('a', 180_000, { ageMs: 120_000 });
    await world.beat('b', 179_999, { ageMs: 120_001 });
    const reply = await world.deadline();
    expect(reply).toMatchObject({ status: 'again', budget: { burnRate: 1 } });
    expect(await world.session('a')).toMatchObject({ state: 'recording' });
    expect(await world.session('b')).toMatchObject({ state: 'stalled' });
  });

  it('never comes for a budget without a limit, nor when its period is over', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.setNow(BOUNDARY - 10_000);
    await world.open('a');
    await world.setNow(BOUNDARY);
    expect(await world.deadline('member')).toMatchObject({ status: 'again' });
    const reply = await world.beat('a', 10_000);
    expect(reply).toMatchObject({ status: 'ok', chargedMs: 10_000, missingPeriod: BOUNDARY });
    expect(await world.organization()).toMatchObject({ remainingMs: 0, stops: 0 });
    expect(await world.deadline()).toMatchObject({ status: 'again' });
  });
});

onModelAndRedis('a stop at once', (begin) => {
  it('comes when a charge leaves nothing, and stops silent sessions too', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.open('silent');
    await world.open('paused');
    await world.beat('paused', 0, { state: 'paused' });
    await world.advance(5_000);
    await world.beat('a', 5_000);
    await world.deadline();
    expect(await world.session('silent')).toMatchObject({ state: 'stalled' });
    await world.advance(5_000);
    expect(await world.beat('a', 10_000)).toMatchObject({ status: 'stopped', overshootMs: 0 });
    for (const session of ['silent', 'paused']) {
      expect(await world.beat(session, 1_000)).toMatchObject({ status: 'stopped', chargedMs: 0 });
    }
    expect(await world.organization()).toMatchObject({ usedMs: 10_000, burnRate: 0, stops: 1 });
  });

  it('comes when a limit or a grant falls to what is used', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 5_000, memberQuotaMs: 50_000, grantedMs: 5_000 });
    await world.open('a');
    await world.advance(6_000);
    await world.beat('a', 6_000);
    await world.seed({ quotaMs: 5_000, memberQuotaMs: 50_000, grantedMs: 1_000, grantVersion: 2 });
    expect(await world.organization()).toMatchObject({ stops: 1, stoppedAt: START + 6_000 });
    expect(await world.beat('a', 7_000)).toMatchObject({ status: 'stopped', overshootMs: 1_000 });
  });

  it('is final for a session, while room that returns serves the next one', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 5_000 });
    await world.open('a');
    await world.advance(5_000);
    await world.beat('a', 5_000);
    await world.seed({ quotaMs: 8_000, version: 2 });
    expect(await world.organization()).toMatchObject({ stops: 1, stoppedAt: 0, stopReason: '' });
    expect(await world.beat('a', 5_000)).toMatchObject({ status: 'stopped' });
    expect(await world.organization()).toMatchObject({ burnRate: 0 });
    const back = await world.open('a', { kind: 'resume' });
    expect(back).toMatchObject({ status: 'resumed', session: { stoppedBy: `o|acme|${START}` } });
    expect(await world.open('b')).toMatchObject({ status: 'opened' });
    await world.advance(3_000);
    expect(await world.beat('b', 3_000)).toMatchObject({ status: 'stopped', chargedMs: 3_000 });
    expect(await world.organization()).toMatchObject({ usedMs: 8_000, stops: 2 });
  });

  it('no gap is counted for a stopped session that returns', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 5_000 });
    await world.open('a');
    await world.advance(5_000);
    await world.beat('a', 5_000);
    await world.seed({ quotaMs: 8_000, version: 2 });
    await world.advance(2_000);
    expect(await world.open('a', { kind: 'resume' })).toMatchObject({
      session: { totalMs: 5_000 },
    });
    expect(await world.organization()).toMatchObject({ usedMs: 5_000 });
  });

  it('a suspension stops with its own reason, also what is stopped, and lets nobody in', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.advance(1_000);
    const suspended = { quotaMs: 10_000, grantVersion: 2, suspended: true };
    await world.seed(suspended);
    const budget = await world.organization();
    expect(budget).toMatchObject({ stops: 1, stopReason: 'organizationSuspended', burnRate: 0 });
    expect(budget.crossed).toEqual([0, 0, 0]);
    expect(await world.beat('a', 1_000)).toMatchObject({ status: 'stopped', chargedMs: 1_000 });
    expect(await world.open('b')).toMatchObject({ status: 'organizationSuspended' });
    expect(await world.open('a', { kind: 'resume' })).toMatchObject({
      status: 'resumed',
      session: { stoppedBy: organizationBudget(ORG, START) },
    });
    expect(await world.organization()).toMatchObject({ burnRate: 0 });
    await world.seed({ ...suspended, quotaMs: 20_000, version: 2 });
    expect(await world.organization()).toMatchObject({ stopReason: 'organizationSuspended' });
    await world.seed({ ...suspended, grantVersion: 3, suspended: false });
    expect(await world.organization()).toMatchObject({ stoppedAt: 0, stopReason: '' });
    expect(await world.open('b')).toMatchObject({ status: 'opened' });
  });

  it('a limit that was reached is stopped again by a suspension', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 1_000 });
    await world.open('a');
    await world.beat('a', 1_000);
    await world.seed({ quotaMs: 1_000, grantVersion: 2, suspended: true });
    const stop = { stops: 2, stopReason: 'organizationSuspended' };
    expect(await world.organization()).toMatchObject(stop);
  });

  it('an operator stops one session; its owner is told by event and with its next word', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.open('b');
    await world.subject.takeEvents();
    expect(await world.subject.meter.stop(ORG, 'a')).toEqual({ status: 'ok' });
    const told = { kind: 'stop', org: ORG, session: 'a' };
    expect(await world.subject.takeEvents()).toContainEqual(told);
    expect(await world.beat('a', 10)).toMatchObject({ status: 'stopped', chargedMs: 10 });
    expect(await world.session('a')).toMatchObject({ stoppedBy: 'session' });
    expect(await world.beat('b', 10)).toMatchObject({ status: 'ok' });
    expect(await world.organization()).toMatchObject({ burnRate: 1, stops: 0 });
    expect(await world.subject.meter.stop(ORG, 'nobody')).toEqual({ status: 'unknown' });
  });
});

onModelAndRedis('a start', (begin) => {
  it('waits while stopped sessions have not answered, and can itself be stopped', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.open('b');
    await world.advance(4_000);
    await world.beat('a', 4_000);
    await world.beat('b', 4_000);
    await world.advance(1_000);
    await world.deadline();
    const by = organizationBudget(ORG, START);
    expect(await world.open('c')).toMatchObject({ status: 'limitReached', by });
    await world.beat('a', 4_500);
    expect(await world.organization()).toMatchObject({ remainingMs: 1_500 });
    // Room for 1,500 ms; what b may still prove is 1,000 of them.
    expect(await world.open('c')).toMatchObject({ status: 'opened' });
    expect(await world.organization()).toMatchObject({ stoppedAt: 0, burnRate: 1, stops: 1 });
    await world.advance(1_500);
    expect(await world.deadline()).toMatchObject({ status: 'stopped', budget: { stops: 2 } });
    expect(await world.beat('c', 1_500)).toMatchObject({ status: 'stopped', chargedMs: 1_500 });
    expect(await world.beat('b', 5_000)).toMatchObject({ status: 'stopped', chargedMs: 4_000 });
    expect(await world.organization()).toMatchObject({ usedMs: 10_000 });
  });

  it('waits no more once the silent ones have ended', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.advance(9_000);
    await world.beat('a', 9_000);
    await world.advance(1_000);
    await world.deadline();
    expect(await world.open('b')).toMatchObject({ status: 'limitReached' });
    const { totalMs, lastAnswerAt } = await world.session('a');
    await world.subject.meter.close({
      ...{ org: ORG, session: 'a', reason: 'lost', gatewayWallMs: world.now },
      by: { sweep: { totalMs, lastAnswerAt } },
    });
    expect(await world.open('b')).toMatchObject({ status: 'opened' });
  });

  it('is refused when too many live, or when it plans more than there is room for', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    expect(await world.open('a', { concurrentSessions: 1 })).toMatchObject({ status: 'opened' });
    const live = { status: 'concurrencyLimit', live: 1 };
    expect(await world.open('b', { concurrentSessions: 1 })).toMatchObject(live);
    const by = organizationBudget(ORG, START);
    const tooLong = { status: 'plannedTooLong', by };
    expect(await world.open('b', { plannedMs: 10_001 })).toMatchObject(tooLong);
    const own = { status: 'plannedTooLong', by: `s|${ORG}|b` };
    expect(await world.open('b', { plannedMs: 9_000, sessionLimitMs: 8_999 })).toMatchObject(own);
    expect(await world.open('b', { plannedMs: 10_000 })).toMatchObject({ status: 'opened' });
    await world.close('a', 0);
    expect(await world.open('c', { concurrentSessions: 2 })).toMatchObject({ status: 'opened' });
  });
});
