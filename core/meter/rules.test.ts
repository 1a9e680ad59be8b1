/** What counts, and what a charge and a limit do: rules 1 to 5 and 7 to 9 of README.md. */
import { expect, it } from 'vitest';
import { onModelAndRedis } from './test-each.ts';
import { BOUNDARY, ORG, START, USER } from './test-world.ts';

onModelAndRedis('what counts', (begin) => {
  it('rule 1: repeats and reordered totals are harmless; a lower total is ignored whole', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.advance(3_000);
    await world.beat('a', 3_000);
    await world.advance(500);
    const reply = await world.beat('a', 2_000, { state: 'paused' });
    expect(reply).toMatchObject({ status: 'ok', totalMs: 3_000, chargedMs: 3_000 });
    const row = await world.session('a');
    expect(row).toMatchObject({ state: 'recording', chargedUpTo: START + 3_000 });
    await world.beat('a', 3_500);
    await world.beat('a', 3_500);
    expect(await world.organization()).toMatchObject({ usedMs: 3_500, burnRate: 1 });
  });

  it('rule 2: a gap between two proofs counts whole up to its bound, and not at all beyond', async () => {
    const world = await begin();
    await world.seed();
    for (const [session, gapMs, countedMs] of [
      ['a', 20_000, 20_000],
      ['b', 20_001, 0],
    ] as const) {
      await world.open(session);
      await world.advance(1_000);
      await world.beat(session, 1_000);
      await world.advance(gapMs);
      const reply = await world.open(session, { kind: 'resume' });
      expect(reply).toMatchObject({
        status: 'resumed',
        session: { totalMs: 1_000 + countedMs, state: 'recording', chargedUpTo: world.now },
      });
    }
  });

  it('rule 2: a gap in which the meter’s clock is stepped counts not at all, and words do as ever', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.advance(1_000);
    await world.beat('a', 1_000);
    const HOUR_MS = 3_600_000;
    for (const [stepMs, totalMs] of [
      [HOUR_MS, 1_000],
      [-HOUR_MS, 1_500],
    ] as const) {
      await world.setNow(world.now + 3_000 + stepMs);
      const reply = await world.open('a', { kind: 'resume' });
      expect(reply).toMatchObject({ session: { totalMs, chargedUpTo: world.now } });
      await world.advance(500);
      expect(await world.beat('a', totalMs + 500)).toMatchObject({ chargedMs: totalMs + 500 });
    }
  });

  it('rule 2: where the stopwatch remembers, it decides, however long the gap', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.advance(60_000);
    const reply = await world.open('a', { kind: 'resume', memoryMs: 41_000 });
    expect(reply).toMatchObject({ status: 'resumed', session: { totalMs: 41_000 } });
  });

  it('rule 2: what passed since the stopwatch proved it is a gap like any', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.advance(10_000);
    const late = { kind: 'resume', memoryMs: 7_000, memoryAgeMs: 3_000 } as const;
    const at = world.now - 3_000;
    const reply = await world.open('a', late);
    expect(reply).toMatchObject({ session: { totalMs: 7_000, chargedUpTo: at } });
    // Asked again, or by one that remembers less, nothing is taken back.
    expect(await world.open('a', { ...late, memoryMs: 5_000, memoryAgeMs: 9_000 })).toMatchObject({
      session: { totalMs: 7_000, chargedUpTo: at },
    });
    await world.advance(1_000);
    expect(await world.open('a', { kind: 'resume' })).toMatchObject({
      session: { totalMs: 11_000, chargedUpTo: world.now },
    });
  });

  it('rule 3: of a trusted recorder no more of a gap counts than it captured', async () => {
    const world = await begin();
    await world.seed();
    for (const [capturedMs, totalMs] of [
      [6_000, 6_000],
      [6_500, 6_500],
      [1_000, 6_500],
      [60_000, 16_500],
    ] as const) {
      if (totalMs === 6_000) await world.open('a');
      await world.advance(10_000);
      const reply = await world.open('a', { kind: 'resume', capturedMs });
      expect(reply).toMatchObject({ status: 'resumed', session: { totalMs } });
    }
  });

  it('rule 2: the gap of a detached session counts only if it was recording when it detached', async () => {
    const world = await begin();
    await world.seed();
    await world.open('recorder');
    await world.open('pauser');
    await world.beat('pauser', 0, { state: 'paused' });
    await world.beat('recorder', 0, { state: 'detached' });
    await world.beat('pauser', 0, { state: 'detached' });
    expect(await world.organization()).toMatchObject({ burnRate: 0 });
    await world.advance(9_000);
    const recorder = await world.open('recorder', { kind: 'resume' });
    const pauser = await world.open('pauser', { kind: 'resume' });
    expect(recorder).toMatchObject({ session: { totalMs: 9_000, chargedMs: 9_000 } });
    expect(pauser).toMatchObject({ session: { totalMs: 0 } });
  });

  it('rule 3: paused time does not count and is not projected', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.open('a');
    await world.advance(4_000);
    await world.beat('a', 4_000, { state: 'paused' });
    await world.advance(8_000);
    expect(await world.deadline()).toMatchObject({ status: 'again', budget: { burnRate: 0 } });
    await world.beat('a', 4_000);
    await world.advance(1_000);
    await world.beat('a', 5_000);
    const budget = await world.organization();
    expect(budget).toMatchObject({ usedMs: 5_000, burnRate: 1, frontierSumMs: 13_000 });
  });

  it('rule 4: a projection wakes, it never counts or warns', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000, levels: [80, -5_000] });
    await world.open('a');
    await world.advance(9_000);
    expect(await world.deadline()).toMatchObject({ status: 'again' });
    expect(await world.organization()).toMatchObject({ usedMs: 0, crossed: [0, 0] });
    expect((await world.pending()).filter((item) => item.kind === 'alert')).toEqual([]);
    await world.beat('a', 9_000);
    expect(await world.organization()).toMatchObject({ usedMs: 9_000, crossed: [1, 1] });
  });
});

onModelAndRedis('a charge', (begin) => {
  it('rule 5: is at most the room of every budget; the rest is overshoot, never charged later', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000, memberQuotaMs: 4_000 });
    await world.open('a');
    await world.advance(6_000);
    const reply = await world.beat('a', 6_000);
    expect(reply).toMatchObject({ status: 'stopped', totalMs: 6_000, chargedMs: 4_000 });
    expect(await world.organization()).toMatchObject({ usedMs: 4_000, stops: 0 });
    expect(await world.member()).toMatchObject({ usedMs: 4_000, remainingMs: 0, stops: 1 });
    await world.seed({ quotaMs: 10_000, memberQuotaMs: 9_000, version: 2 });
    await world.beat('a', 6_000);
    expect(await world.session('a')).toMatchObject({ chargedMs: 4_000, overshootMs: 2_000 });
    expect(await world.member()).toMatchObject({ usedMs: 4_000, remainingMs: 5_000 });
  });

  it('rule 5: draws on plan, then on extra, then on overage up to its cap', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 5_000, grantedMs: 3_000, mode: 1, overageCapMs: 2_000 });
    await world.open('a');
    await world.advance(7_000);
    await world.beat('a', 7_000);
    const spent = { usedMs: 7_000, planMs: 5_000, extraMs: 2_000, overageMs: 0 };
    expect(await world.organization()).toMatchObject({ ...spent, remainingMs: 3_000 });
    await world.advance(4_000);
    const reply = await world.beat('a', 11_000);
    expect(reply).toMatchObject({ status: 'stopped', chargedMs: 10_000, overshootMs: 1_000 });
    expect(await world.organization()).toMatchObject({ extraMs: 3_000, overageMs: 2_000 });
    const bySource = { planMs: 5_000, extraMs: 3_000, overageMs: 2_000 };
    expect(await world.session('a')).toMatchObject({ bySource });
  });

  it('rule 5: in shadow mode, and without a quota, there is no limit', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 1_000, mode: 2, levels: [100, -500] });
    await world.open('a');
    await world.advance(5_000);
    expect(await world.beat('a', 5_000)).toMatchObject({ status: 'ok', overshootMs: 0 });
    const budget = await world.organization();
    expect(budget).toMatchObject({ planMs: 1_000, overageMs: 4_000, remainingMs: null });
    expect(budget.crossed).toEqual([1, 0]);
    expect(await world.member()).toMatchObject({ planMs: 5_000, overageMs: 0, crossed: [0, 0] });
  });

  it("rule 5: a session's own length is a budget of its own", async () => {
    const world = await begin();
    await world.seed({ quotaMs: 60_000 });
    await world.open('a', { sessionLimitMs: 5_000, sessionLevels: [80] });
    await world.advance(7_000);
    expect(await world.beat('a', 7_000)).toMatchObject({ status: 'stopped', chargedMs: 5_000 });
    expect(await world.own('a')).toMatchObject({ usedMs: 5_000, endsAt: null, stops: 1 });
    expect(await world.session('a')).toMatchObject({ stoppedBy: 's|acme|a' });
    expect(await world.organization()).toMatchObject({ usedMs: 5_000, stops: 0, burnRate: 0 });
  });

  it('rule 5: a session that gets a longest length while it records stands in its n at once', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.advance(2_000);
    await world.beat('a', 2_000);
    const length = { kind: 'resume', sessionLimitMs: 5_000, memoryMs: 2_000 } as const;
    expect(await world.open('a', length)).toMatchObject({ status: 'resumed' });
    const own = { usedMs: 2_000, burnRate: 1, frontierSumMs: 2_000 };
    expect(await world.own('a')).toMatchObject(own);
    await world.beat('a', 2_000, { state: 'paused' });
    expect(await world.own('a')).toMatchObject({ burnRate: 0, frontierSumMs: 0 });
    await world.open('b', { sessionLimitMs: 1_000 });
    await world.advance(3_000);
    expect(await world.beat('b', 3_000)).toMatchObject({ status: 'stopped', chargedMs: 1_000 });
  });
});

onModelAndRedis('a limit', (begin) => {
  it('rule 7: a lower or equal version is ignored, and every change is told once', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000, version: 5 });
    await world.subject.takeEvents();
    await world.seed({ quotaMs: 99_000, version: 5 });
    await world.seed({ quotaMs: 99_000, version: 4 });
    expect(await world.organization()).toMatchObject({ quotaMs: 10_000, version: 5 });
    expect(await world.subject.takeEvents()).toEqual([]);
    const { seq } = await world.organization();
    await world.seed({ quotaMs: 20_000, version: 6 });
    const row = await world.organization();
    expect(row).toMatchObject({ quotaMs: 20_000, version: 6 });
    expect(row.seq).toBeGreaterThan(seq);
    expect(await world.subject.takeEvents()).toContainEqual({ kind: 'budget', row });
  });

  it('rule 7: a grant has its own version, and moves the limit of every period', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000 });
    await world.seed({ quotaMs: 10_000, period: BOUNDARY, grantedMs: 5_000, grantVersion: 7 });
    for (const period of [START, BOUNDARY]) {
      expect(await world.organization(period)).toMatchObject({ remainingMs: 15_000, version: 7 });
    }
    await world.seed({ quotaMs: 10_000, grantedMs: 1_000, grantVersion: 6 });
    expect(await world.organization()).toMatchObject({ extraRemainingMs: 5_000 });
    expect(await world.member()).toMatchObject({ version: 1, extraRemainingMs: 0 });
  });

  it('rule 7: a seed is decided on all its figures, never between two of them', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 5_000, grantedMs: 5_000 });
    await world.open('a');
    await world.beat('a', 7_000);
    // The lot has expired and the plan has grown: there was no moment without room.
    await world.seed({ quotaMs: 9_000, version: 2, grantedMs: 0, grantVersion: 3 });
    expect(await world.organization()).toMatchObject({ remainingMs: 2_000, stops: 0, burnRate: 1 });
    expect(await world.beat('a', 7_500)).toMatchObject({ status: 'ok', chargedMs: 7_500 });
  });

  it('rule 8: keeps a crossing that still holds, withdraws one that does not, renews with its version', async () => {
    const world = await begin();
    const levels = [80, 90, -3_000];
    await world.seed({ quotaMs: 10_000, levels });
    await world.open('a');
    await world.beat('a', 8_500);
    expect((await world.organization()).crossed).toEqual([1, 0, 1]);
    await world.seed({ quotaMs: 10_500, levels, version: 2 });
    expect((await world.organization()).crossed).toEqual([1, 0, 1]);
    await world.seed({ quotaMs: 20_000, levels, version: 3 });
    expect((await world.organization()).crossed).toEqual([0, 0, 0]);
    await world.seed({ quotaMs: 9_000, levels, version: 4 });
    expect((await world.organization()).crossed).toEqual([4, 4, 4]);
    const alerts = (await world.pending()).flatMap((item) =>
      item.kind === 'alert' && item.budget.startsWith('o|') ? [[item.level, item.version]] : [],
    );
    expect(alerts.sort()).toEqual(
      [
        [80, 1],
        [-3_000, 1],
        [80, 4],
        [90, 4],
        [-3_000, 4],
      ].sort(),
    );
  });

  it('rule 8: recovery seeds the crossed versions, and nothing is told a second time', async () => {
    const world = await begin();
    const settled = { quotaMs: 10_000, usedMs: 7_000, version: 3 };
    const levels = [60, 65, 80, 90];
    // 80 was crossed at this version, though what is settled does not show it yet. 90 was crossed
    // at an older one and has been withdrawn since. 65 held through a change of limit.
    await world.seed({ ...settled, levels, crossed: [3, 2, 3, 2] });
    expect((await world.organization()).crossed).toEqual([3, 2, 3, 0]);
    await world.open('a');
    await world.beat('a', 1_500);
    expect((await world.organization()).crossed).toEqual([3, 2, 3, 0]);
    expect((await world.pending()).filter((item) => item.kind === 'alert')).toEqual([]);
    await world.beat('a', 2_000);
    expect((await world.organization()).crossed).toEqual([3, 2, 3, 3]);
  });

  it('rule 9: equality holds; a level of minutes left is armed only below the whole budget', async () => {
    const world = await begin();
    const levels = [80, -10_000, -4_000];
    await world.seed({ quotaMs: 10_000, levels });
    await world.open('a');
    await world.beat('a', 5_999);
    expect((await world.organization()).crossed).toEqual([0, 0, 0]);
    await world.beat('a', 6_000);
    expect((await world.organization()).crossed).toEqual([0, 0, 1]);
    await world.beat('a', 7_999);
    expect((await world.organization()).crossed).toEqual([0, 0, 1]);
    await world.beat('a', 8_000);
    expect((await world.organization()).crossed).toEqual([1, 0, 1]);
  });

  it('rule 9: a quota of 0 is at 100 percent, and nothing starts on it', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 60_000, memberQuotaMs: 0 });
    expect(await world.member()).toMatchObject({ crossed: [1, 1, 1], remainingMs: 0 });
    const reply = await world.open('a');
    expect(reply).toMatchObject({ status: 'limitReached', by: `m|${ORG}|${USER}|${START}` });
  });
});
