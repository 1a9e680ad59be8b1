/** What a gateway proved and could not tell the meter, as its recorder's checkpoint has it: rule 23. */
import { expect, it } from 'vitest';
import { memberBudget, organizationBudget } from './budget-name.ts';
import type { Untold } from './rows.ts';
import { onModelAndRedis } from './test-each.ts';
import type { World } from './test-world.ts';
import { BOUNDARY, ORG, START, USER, witnessOf } from './test-world.ts';

/** 5 s are in the meter; 3 s more were proven, and it is 10 s since. */
const TOLD_MS = 5_000;
const untold: Untold = { ms: 3_000, at: START + 8_000, isForgiven: false };

async function told(world: World, quotaMs = 100_000): Promise<void> {
  await world.seed({ quotaMs });
  await world.open('a');
  await world.advance(TOLD_MS);
  await world.beat('a', TOLD_MS);
  await world.advance(13_000);
}

const witness = async (world: World, more: Parameters<typeof witnessOf>[1] = {}) =>
  witnessOf(await world.session('a'), more);

onModelAndRedis('what the meter could not be told', (begin) => {
  it('rule 23: is charged as the recorder comes back, and its gap is counted from there', async () => {
    const world = await begin();
    await told(world);
    const reply = await world.open('a', { kind: 'resume', witness: await witness(world), untold });
    expect(reply).toMatchObject({
      status: 'resumed',
      session: { totalMs: 18_000, chargedMs: 18_000, overshootMs: 0, state: 'recording' },
    });
    expect(await world.organization()).toMatchObject({ usedMs: 18_000, burnRate: 1 });
  });

  it('rule 23: counts where the gap since is longer than one that does', async () => {
    const world = await begin();
    await told(world);
    await world.advance(20_000);
    await world.open('a', { kind: 'resume', witness: await witness(world), untold });
    expect(await world.session('a')).toMatchObject({ totalMs: 8_000, state: 'recording' });
  });

  it.each([
    ['paused', 'recording', 8_000],
    ['recording', 'paused', 18_000],
  ] as const)('rule 23: says that it was %s, where the meter has it as %s', async (is, was, ms) => {
    const world = await begin();
    await told(world);
    if (was === 'paused') {
      await world.beat('a', TOLD_MS, { state: was, ageMs: 13_000 });
    }
    const newer = await witness(world, { state: is });
    await world.open('a', { kind: 'resume', witness: newer, untold });
    expect(await world.session('a')).toMatchObject({ totalMs: ms, state: is });
    const burnRate = is === 'recording' ? 1 : 0;
    expect(await world.organization()).toMatchObject({ usedMs: ms, burnRate });
  });

  it('rule 23: is overshoot where the plan forgives it', async () => {
    const world = await begin();
    await told(world);
    const forgiven = { ...untold, isForgiven: true };
    const paused = await witness(world, { state: 'paused' });
    await world.open('a', { kind: 'resume', witness: paused, untold: forgiven });
    const row = { totalMs: 8_000, chargedMs: TOLD_MS, overshootMs: 3_000 };
    expect(await world.session('a')).toMatchObject(row);
    expect(await world.organization()).toMatchObject({ usedMs: TOLD_MS });
  });

  it('rule 5: is charged up to the limit, and no further', async () => {
    const world = await begin();
    await told(world, 6_000);
    const paused = await witness(world, { state: 'paused' });
    await world.open('a', { kind: 'resume', witness: paused, untold });
    const row = { totalMs: 8_000, chargedMs: 6_000, overshootMs: 2_000 };
    expect(await world.session('a')).toMatchObject(row);
    expect(await world.organization()).toMatchObject({ usedMs: 6_000, remainingMs: 0 });
  });

  it('rule 15: is nobody’s where a later owner has the session, and its state is the later one’s', async () => {
    const world = await begin();
    await told(world);
    const earlier = await witness(world, { state: 'paused' });
    await world.open('a', { kind: 'resume', memoryMs: TOLD_MS });
    const late = { kind: 'resume', witness: earlier, untold, memoryMs: TOLD_MS } as const;
    expect(await world.open('a', { ...late, authenticates: true })).toMatchObject({
      status: 'checkpointInvalid',
    });
    expect(await world.open('a', late)).toMatchObject({
      status: 'resumed',
      session: { totalMs: TOLD_MS, state: 'recording' },
    });
    expect(await world.organization()).toMatchObject({ usedMs: TOLD_MS, burnRate: 1 });
  });

  it('rule 16: is charged of a session that was ended meanwhile', async () => {
    const world = await begin();
    await told(world);
    const kept = await witness(world);
    const { totalMs, lastAnswerAt } = await world.session('a');
    await world.subject.meter.close({
      ...{ org: ORG, session: 'a', reason: 'disconnected', gatewayWallMs: world.now },
      by: { sweep: { totalMs, lastAnswerAt } },
    });
    const reply = await world.open('a', { kind: 'resume', witness: kept, untold });
    expect(reply).toMatchObject({ status: 'ended', session: { totalMs: 8_000 } });
  });

  it('rule 19: is split at a cut that its gateway did not hear of', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.open('a');
    await world.advance(TOLD_MS);
    await world.beat('a', TOLD_MS);
    const paused = await witness(world, { state: 'paused' });
    await world.advance(1_000);
    expect(await world.subject.meter.cut(ORG, START)).toMatchObject({ status: 'cut' });
    const cutAt = world.now;
    await world.advance(4_000);
    const resume = { kind: 'resume', witness: paused, untold } as const;
    const next = { period: cutAt, endsAt: BOUNDARY };
    expect(await world.open('a', resume)).toMatchObject({
      status: 'unseeded',
      budgets: [organizationBudget(ORG, cutAt), memberBudget(ORG, USER, cutAt)],
    });
    await world.seed({ quotaMs: 100_000, ...next });
    await world.open('a', resume);
    expect(await world.session('a')).toMatchObject({ totalMs: 8_000, state: 'paused' });
    expect(await world.organization(START)).toMatchObject({ usedMs: 6_000 });
    expect(await world.organization(cutAt)).toMatchObject({ usedMs: 2_000 });
  });

  it('rule 23: of no time at all says what the recorder did last, and until when', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.open('a');
    await world.advance(TOLD_MS);
    await world.beat('a', TOLD_MS, { state: 'paused' });
    await world.advance(13_000);
    const records = await witness(world, { state: 'recording' });
    const began = { ms: 0, at: START + 10_000, isForgiven: false };
    await world.open('a', { kind: 'resume', witness: records, untold: began });
    expect(await world.session('a')).toMatchObject({ totalMs: 13_000, state: 'recording' });
  });

  it('rule 23: of a clock that has been set back since, it is of now', async () => {
    const world = await begin();
    await told(world);
    const ahead = { ...untold, at: BOUNDARY + 1_000 };
    const paused = await witness(world, { state: 'paused' });
    const reply = await world.open('a', { kind: 'resume', witness: paused, untold: ahead });
    const session = { totalMs: 8_000, chargedUpTo: world.now, state: 'paused' };
    expect(reply).toMatchObject({ status: 'resumed', session });
  });
});
