/** When something is missing: rules 21 to 23 of README.md. */
import { expect, it } from 'vitest';
import { organizationBudget } from './budget-name.ts';
import type { AssertCommand, AssertReply } from './commands.ts';
import type { LedgerBase, Witness } from './rows.ts';
import { onModelAndRedis } from './test-each.ts';
import { FIRST_LIFE } from './test-subject.ts';
import type { World } from './test-world.ts';
import { BOUNDARY, baseOfWitness, ORG, SHARD, START, USER, witnessOf } from './test-world.ts';

function assertAs(world: World, session: string, witness: Witness, base: LedgerBase | null = null) {
  const command: AssertCommand = {
    ...{ org: ORG, session, user: USER, witness, base },
    ...{ sessionLimitMs: null, sessionLevels: [], gatewayWallMs: world.now },
  };
  return world.subject.meter.assert(command) as Promise<AssertReply & { status: string }>;
}

/** (a) to (d) of rule 22 in short: the shard begins anew, in the next generation. */
async function recover(world: World, generation = 2): Promise<void> {
  const clock = { meterBaseAt: world.now, realBaseAt: world.now, speed: 1, frozen: true };
  await world.subject.meter.reset({ shard: SHARD, runId: FIRST_LIFE, generation, clock });
}

onModelAndRedis('recovery', (begin) => {
  it('rule 21: an empty shard, and a shard of another server life, decide nothing', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    const { meter } = world.subject;
    world.subject.setRunId('another-life');
    expect(await world.open('b')).toEqual({ status: 'recover' });
    expect(await world.beat('a', 5_000)).toMatchObject({ status: 'recover' });
    expect(await world.close('a', 5_000)).toEqual({ status: 'recover' });
    expect(await world.deadline()).toEqual({ status: 'recover' });
    expect(await world.seed()).toEqual({ status: 'recover' });
    expect(await meter.stop(ORG, 'a')).toEqual({ status: 'recover' });
    expect(await meter.pending(SHARD, { limit: 1 })).toEqual({ status: 'recover' });
    expect(await meter.liveSessions(ORG)).toEqual({ status: 'recover' });
    world.subject.setRunId(FIRST_LIFE);
    expect(await world.session('a')).toMatchObject({ totalMs: 0, state: 'recording' });
    await world.subject.lose(SHARD);
    expect(await world.beat('a', 5_000)).toMatchObject({ status: 'recover' });
    expect(await world.seed()).toEqual({ status: 'recover' });
  });

  it('meter time runs from its base at its speed, and is read once a command', async () => {
    const world = await begin();
    await world.seed();
    const realBaseAt = Date.now();
    const clock = { meterBaseAt: START, realBaseAt, speed: 60, frozen: false };
    await world.subject.setClock(SHARD, clock);
    const reply = await world.subject.meter.readBudgets(ORG, [organizationBudget(ORG, START)]);
    const elapsedMs = reply.status === 'ok' ? reply.now - START : Number.NaN;
    expect(elapsedMs).toBeGreaterThanOrEqual(0);
    expect(elapsedMs).toBeLessThanOrEqual((Date.now() - realBaseAt + 1) * 60);
    expect(Number.isInteger(elapsedMs)).toBe(true);
  });

  it('rule 22: flush writes what is open, whatever life the shard is of', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.beat('a', 61_000);
    world.subject.setRunId('another-life');
    const items = await world.subject.meter.flush(SHARD);
    const minutes = items.flatMap((item) =>
      item.kind === 'minute' ? [[item.minute, item.ms]] : [],
    );
    expect(minutes.sort()).toEqual([
      [0, 60_000],
      [1, 1_000],
    ]);
  });

  it('rule 22: what was settled is adopted, what a gateway remembers is charged on top, once', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.open('a');
    await world.advance(30_000);
    await world.beat('a', 30_000);
    const memory = witnessOf(await world.session('a'), { totalMs: 32_000, at: START + 32_000 });
    await world.advance(5_000);
    await recover(world);
    await world.seed({ quotaMs: 100_000, usedMs: 10_000, generation: 2 });
    const marks = [{ period: START, chargedMs: 0 }];
    const settled = { ended: false, reason: '', overshootMs: 0, marks, chargedMs: 10_000 };
    const base = { ...settled, startedAt: START };
    const sessions = [{ session: 'a', org: ORG, user: USER, base }];
    const { meter } = world.subject;
    await meter.adopt({ shard: SHARD, generation: 2, sessions });
    const adopted = { state: 'detached', totalMs: 10_000, chargedUpTo: START };
    expect(await world.session('a')).toMatchObject({
      ...adopted,
      epoch: { generation: 0, counter: 0 },
    });
    expect(await world.organization()).toMatchObject({ usedMs: 10_000, burnRate: 0 });
    for (let i = 0; i < 2; i++) {
      expect(await assertAs(world, 'a', memory)).toMatchObject({
        status: 'ok',
        session: { totalMs: 32_000, state: 'recording', chargedUpTo: START + 32_000 },
      });
    }
    const row = { usedMs: 32_000, burnRate: 1, frontierSumMs: 32_000 };
    expect(await world.organization()).toMatchObject(row);
    const older = { ...memory, epoch: { generation: 0, counter: 9 }, totalMs: 33_000 };
    const reply = await assertAs(world, 'a', older);
    expect(reply).toMatchObject({ status: 'superseded', session: { totalMs: 33_000 } });
  });

  it('rule 22: a gap counts from the instant of its witness, though the ledger has all of it', async () => {
    for (const [state, beyondMs, expectedMs] of [
      ['recording', 0, 34_000],
      ['recording', 1_500, 34_000],
      ['paused', 0, 30_000],
    ] as const) {
      const world = await begin();
      await world.seed({ quotaMs: 100_000 });
      await world.open('a');
      await world.advance(30_000);
      await world.beat('a', 30_000);
      const row = await world.session('a');
      const witness = witnessOf(row, {
        totalMs: 30_000 - beyondMs,
        at: START + 30_000 - beyondMs,
        state,
      });
      await world.advance(4_000);
      await recover(world);
      await world.seed({ quotaMs: 100_000, usedMs: 30_000, generation: 2 });
      const marks = [{ period: START, chargedMs: 0 }];
      const settled = { ended: false, reason: '', overshootMs: 0, marks, chargedMs: 30_000 };
      const sessions = [
        { session: 'a', org: ORG, user: USER, base: { ...settled, startedAt: START } },
      ];
      await world.subject.meter.adopt({ shard: SHARD, generation: 2, sessions });
      const reply = await world.open('a', { kind: 'resume', witness, countedGapMs: 20_000 });
      const resumed = state === 'paused' ? 'paused' : 'recording';
      const session = { totalMs: expectedMs, state: resumed, chargedUpTo: START + 34_000 };
      expect(reply).toMatchObject({ status: 'resumed', session });
    }
  });

  it('rule 22: what a recovery brings that was overtaken is not taken, and who came back stays', async () => {
    const world = await begin();
    await recover(world, 3);
    const { meter } = world.subject;
    expect(await world.seed({ generation: 2 })).toEqual({ status: 'staleGeneration' });
    const marks = [{ period: START, chargedMs: 0 }];
    const settled = { ended: false, reason: '', overshootMs: 0, marks, chargedMs: 1_000 };
    const base = { ...settled, startedAt: START };
    const sessions = [{ session: 'a', org: ORG, user: USER, base }];
    const late = await meter.adopt({ shard: SHARD, generation: 2, sessions });
    expect(late).toEqual({ status: 'staleGeneration' });
    expect(await meter.readSession(ORG, 'a')).toEqual({ status: 'unknown' });
    await world.seed({ quotaMs: 100_000, generation: 3 });
    await world.open('a');
    await world.advance(5_000);
    await world.beat('a', 5_000);
    expect(await meter.adopt({ shard: SHARD, generation: 3, sessions })).toEqual({ status: 'ok' });
    const mine = { totalMs: 5_000, state: 'recording', epoch: { generation: 3, counter: 1 } };
    expect(await world.session('a')).toMatchObject(mine);
  });

  it('rule 22: who is adopted is stopped by a budget that is stopped, not by one that was', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 0 });
    const marks = [{ period: START, chargedMs: 0 }];
    const settled = { ended: false, reason: '', overshootMs: 0, marks, chargedMs: 0 };
    const base = { ...settled, startedAt: START };
    const { meter } = world.subject;
    const adopt = (session: string) => {
      const sessions = [{ session, org: ORG, user: USER, base }];
      return meter.adopt({ shard: SHARD, generation: 1, sessions });
    };
    await adopt('early');
    await world.seed({ quotaMs: 9_000, version: 2 });
    expect(await world.organization()).toMatchObject({ stops: 1, stoppedAt: 0 });
    await adopt('late');
    const stoppedBy = organizationBudget(ORG, START);
    expect(await world.open('early', { kind: 'resume' })).toMatchObject({ session: { stoppedBy } });
    expect(await world.open('late', { kind: 'resume' })).toMatchObject({
      status: 'resumed',
      session: { stoppedBy: '' },
    });
    expect(await world.organization()).toMatchObject({ burnRate: 1 });
  });

  it('rule 22: a witness is split into the periods of its marks; overshoot is never charged', async () => {
    const world = await begin();
    await world.setNow(BOUNDARY + 60_000);
    await world.seed({ quotaMs: 100_000 });
    await world.seed({ quotaMs: 15_000, period: BOUNDARY });
    const witness: Witness = {
      epoch: { generation: 1, counter: 4 },
      ...{ totalMs: 50_000, overshootMs: 5_000, at: BOUNDARY + 20_000, state: 'recording' },
      marks: [
        { period: START, chargedMs: 0 },
        { period: BOUNDARY, chargedMs: 30_000 },
      ],
    };
    const marks = [{ period: START, chargedMs: 0 }];
    const settled = { ended: false, reason: '', overshootMs: 0, marks, chargedMs: 25_000 };
    const base = { ...settled, startedAt: BOUNDARY - 30_000 };
    expect(await assertAs(world, 'a', witness, base)).toMatchObject({
      status: 'ok',
      session: { totalMs: 50_000, chargedMs: 45_000, overshootMs: 5_000, marks: witness.marks },
    });
    expect(await world.organization()).toMatchObject({ usedMs: 5_000 });
    expect(await world.organization(BOUNDARY)).toMatchObject({ usedMs: 15_000, stops: 1 });
    expect(await world.session('a')).toMatchObject({ period: BOUNDARY });
  });

  it('rule 22: what a period has no room for is not carried into the next one', async () => {
    const world = await begin();
    await world.setNow(BOUNDARY + 60_000);
    await world.seed({ quotaMs: 6_000 });
    await world.seed({ quotaMs: 100_000, period: BOUNDARY });
    const witness: Witness = {
      epoch: { generation: 1, counter: 1 },
      ...{ totalMs: 15_000, overshootMs: 0, at: BOUNDARY + 5_000, state: 'recording' },
      marks: [
        { period: START, chargedMs: 0 },
        { period: BOUNDARY, chargedMs: 10_000 },
      ],
    };
    expect(await assertAs(world, 'a', witness, baseOfWitness(witness))).toMatchObject({
      status: 'ok',
      session: { totalMs: 15_000, chargedMs: 11_000, overshootMs: 4_000 },
    });
    expect(await world.organization()).toMatchObject({ usedMs: 6_000 });
    expect(await world.organization(BOUNDARY)).toMatchObject({ usedMs: 5_000, burnRate: 1 });
  });

  it('rule 22: what is overshoot here is not charged because a witness has it as charged', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 6_000 });
    await world.open('a');
    await world.advance(10_000);
    await world.beat('a', 10_000);
    await world.seed({ quotaMs: 100_000, version: 2 });
    const row = await world.session('a');
    expect(row).toMatchObject({ chargedMs: 6_000, overshootMs: 4_000 });
    const more = { totalMs: 12_000, overshootMs: 0, at: world.now };
    expect(await assertAs(world, 'a', witnessOf(row, more))).toMatchObject({
      session: { totalMs: 12_000, chargedMs: 8_000, overshootMs: 4_000 },
    });
    const less = { totalMs: 11_000, overshootMs: 0, at: START, state: 'paused' as const };
    const old = { ...witnessOf(row, less), epoch: { generation: 1, counter: 0 } };
    expect(await assertAs(world, 'a', old)).toMatchObject({
      status: 'superseded',
      session: { totalMs: 12_000, chargedMs: 8_000, chargedUpTo: START + 10_000 },
    });
    expect(await world.organization()).toMatchObject({ usedMs: 8_000 });
  });

  it('rule 22: a witness that needs a period which is missing asks for it, and changes nothing', async () => {
    const world = await begin();
    await world.seed();
    const witness: Witness = {
      epoch: { generation: 1, counter: 1 },
      ...{ totalMs: 9_000, overshootMs: 0, at: BOUNDARY + 4_000, state: 'recording' },
      marks: [
        { period: START, chargedMs: 0 },
        { period: BOUNDARY, chargedMs: 5_000 },
      ],
    };
    const base = baseOfWitness(witness);
    expect(await assertAs(world, 'a', witness)).toEqual({ status: 'unknown' });
    const reply = await assertAs(world, 'a', witness, base);
    expect(reply).toMatchObject({ status: 'unseeded' });
    expect(reply).toMatchObject({
      budgets: expect.arrayContaining([organizationBudget(ORG, BOUNDARY)]),
    });
    expect(await world.organization()).toMatchObject({ usedMs: 0 });
  });

  it('rule 22: a session that no store remembers comes back from its checkpoint', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.advance(9_000);
    const witness: Witness = {
      epoch: { generation: 1, counter: 1 },
      ...{ totalMs: 4_000, overshootMs: 0, at: START + 4_000, state: 'recording' },
      marks: [{ period: START, chargedMs: 0 }],
    };
    const reply = await world.open('a', { kind: 'resume', witness, authenticates: true });
    expect(reply).toMatchObject({
      status: 'resumed',
      session: { totalMs: 9_000, chargedMs: 9_000, state: 'recording' },
    });
    expect(await world.organization()).toMatchObject({ usedMs: 9_000, burnRate: 1 });
  });

  it('rule 23: a witness is charged before the answer, even if that is a refusal', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.open('a');
    await world.advance(2_000);
    await world.beat('a', 2_000);
    const old = witnessOf(await world.session('a'), { totalMs: 3_000, at: START + 3_000 });
    await world.advance(1_000);
    await world.open('a', { kind: 'resume', memoryMs: 2_000 });
    const late = { kind: 'resume', witness: old, authenticates: true } as const;
    expect(await world.open('a', late)).toMatchObject({ status: 'checkpointInvalid' });
    const row = { totalMs: 3_000, epoch: { generation: 1, counter: 2 }, state: 'recording' };
    expect(await world.session('a')).toMatchObject(row);
    expect(await world.organization()).toMatchObject({ usedMs: 3_000, burnRate: 1 });

    await world.seed({ quotaMs: 100_000, grantVersion: 2, suspended: true });
    const newer = { ...old, epoch: row.epoch, totalMs: 3_500, at: START + 3_500 };
    expect(await world.open('a', { kind: 'resume', witness: newer })).toMatchObject({
      status: 'resumed',
      session: { totalMs: 3_500, stoppedBy: organizationBudget(ORG, START) },
    });
    await world.close('a', 3_500);
    const last = { ...newer, totalMs: 3_800 };
    const ended = await world.open('a', { kind: 'resume', witness: last });
    expect(ended).toMatchObject({ status: 'ended', session: { totalMs: 3_800 } });
    expect(await world.organization()).toMatchObject({ usedMs: 3_800 });
    expect(await world.minutes()).toEqual({ [`a|0|${START}`]: 3_800 });
  });
});
