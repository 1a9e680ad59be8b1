/** A running period is ended by hand: rule 19 of README.md, for `cut` and what follows from it. */
import { expect, it } from 'vitest';
import { memberBudget, organizationBudget } from './budget-name.ts';
import { onModelAndRedis } from './test-each.ts';
import { BOUNDARY, ORG, START, USER, type World } from './test-world.ts';

/** Cuts the first period, and lets the meter know the one that begins there. */
async function cutNow(world: World, limits = {}): Promise<number> {
  expect(await world.subject.meter.cut(ORG, START)).toMatchObject({ status: 'cut', at: world.now });
  await world.seed({ ...limits, period: world.now, endsAt: BOUNDARY });
  return world.now;
}

onModelAndRedis('a period that is ended', (begin) => {
  it('rule 19: what was recorded before is of the old one, the rest of the new, to the ms', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.open('a');
    await world.advance(4_000);
    await world.beat('a', 4_000);
    await world.advance(777);
    const at = await cutNow(world, { quotaMs: 100_000 });
    await world.advance(1_223);
    await world.beat('a', 6_000);
    expect(await world.organization(START)).toMatchObject({ usedMs: 4_777, endsAt: at });
    expect(await world.organization(at)).toMatchObject({ usedMs: 1_223, burnRate: 1 });
    expect(await world.member(at)).toMatchObject({ usedMs: 1_223, burnRate: 1 });
    const { marks, period } = await world.session('a');
    expect([period, marks]).toEqual([
      at,
      [
        { period: START, chargedMs: 0 },
        { period: at, chargedMs: 4_777 },
      ],
    ]);
    expect(await world.organization(START)).toMatchObject({ burnRate: 0, frontierSumMs: 0 });
  });

  it('rule 19: a late word of what was recorded before is the old period’s', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 100_000 });
    await world.open('a');
    await world.advance(5_000);
    const at = await cutNow(world);
    await world.advance(50);
    await world.beat('a', 4_990, { ageMs: 60 });
    expect(await world.organization(START)).toMatchObject({ usedMs: 4_990, endsAt: at });
    expect(await world.organization(at)).toMatchObject({ usedMs: 0 });
    expect(await world.session('a')).toMatchObject({ period: START });
  });

  it('repeats find it ended, and one that has not begun before now is left alone', async () => {
    const world = await begin();
    expect(await world.subject.meter.cut(ORG, START)).toEqual({
      ...{ status: 'unseeded', budgets: [organizationBudget(ORG, START)] },
    });
    await world.seed();
    expect(await world.subject.meter.cut(ORG, START)).toMatchObject({ status: 'fresh', at: START });
    await world.advance(9_000);
    const at = await cutNow(world);
    await world.advance(1_000);
    expect(await world.subject.meter.cut(ORG, START)).toMatchObject({ status: 'over', at });
    await world.setNow(BOUNDARY + 1);
    const late = await world.subject.meter.cut(ORG, at);
    expect(late).toMatchObject({ status: 'over', at: BOUNDARY });
  });

  it('a seed that does not know it yet does not bring the old end back', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.advance(3_000);
    const at = await cutNow(world);
    await world.seed({ version: 9, quotaMs: 50_000 });
    expect(await world.organization(START)).toMatchObject({ endsAt: at, quotaMs: 50_000 });
    expect(await world.member(START)).toMatchObject({ endsAt: at });
  });

  it('a member who comes to it by an older seed ends with the organization', async () => {
    const world = await begin();
    const { meter } = world.subject;
    await world.seed();
    await world.advance(3_000);
    const at = await cutNow(world);
    const of = memberBudget(ORG, 'bob', START);
    const account = { org: ORG, grantedMs: 0, version: 1, suspended: false };
    await meter.seed({
      ...{ org: ORG, generation: 1 },
      account: { ...account, drawn: { org: ORG, sequence: 1, drawnMs: 0 } },
      budgets: [
        {
          ...{ name: of, org: ORG, quotaMs: 1_000, version: 1, mode: 0, overageCapMs: null },
          ...{ startsAt: START, endsAt: BOUNDARY, levels: [], crossed: [] },
          settled: { name: of, sequence: 1, usedMs: 0, planMs: 0, extraMs: 0, overageMs: 0 },
        },
      ],
    });
    const reply = await meter.readBudgets(ORG, [of]);
    expect(reply).toMatchObject({ budgets: [{ endsAt: at }] });
  });

  it('an earlier end from Postgres holds without a newer version, and is told', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.subject.takeEvents();
    await world.seed({ endsAt: BOUNDARY - 5_000 });
    expect(await world.organization()).toMatchObject({ endsAt: BOUNDARY - 5_000 });
    const told = (await world.subject.takeEvents()).filter((event) => event.kind === 'budget');
    expect(told.map(({ row }) => row.endsAt)).toEqual([BOUNDARY - 5_000, BOUNDARY - 5_000]);
  });

  it('rule 6: the member’s limit of the old period stops nobody any more', async () => {
    const world = await begin();
    await world.seed({ memberQuotaMs: 5_000 });
    await world.open('a');
    await world.advance(5_500);
    const at = await cutNow(world, { memberQuotaMs: 5_000 });
    await world.advance(100);
    expect(await world.beat('a', 5_600)).toMatchObject({ status: 'ok', overshootMs: 500 });
    expect(await world.member(START)).toMatchObject({ usedMs: 5_000, stops: 0 });
    expect(await world.member(at)).toMatchObject({ usedMs: 100, stops: 0 });
  });

  it('one that was stopped stays stopped, and a new one begins in the new period', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 5_000 });
    await world.open('a');
    await world.advance(6_000);
    expect(await world.beat('a', 6_000)).toMatchObject({ status: 'stopped' });
    expect(await world.open('b')).toMatchObject({ status: 'limitReached' });
    const at = await cutNow(world, { quotaMs: 5_000 });
    expect(await world.beat('a', 6_000)).toMatchObject({ status: 'stopped' });
    // Its gateway still thinks that the old period runs.
    expect(await world.open('b', { period: START })).toMatchObject({
      status: 'opened',
      session: { period: at, user: USER },
    });
    expect(await world.organization(at)).toMatchObject({ burnRate: 1 });
  });

  it('rule 20: where clocks disagree, a new session begins where its gateway says', async () => {
    const world = await begin();
    await world.seed();
    await world.advance(6_000);
    const at = await cutNow(world);
    const doubted = await world.open('a', { gatewayWallMs: world.now + 2_001 });
    expect(doubted).toMatchObject({ status: 'opened', session: { period: START } });
    expect(await world.open('b')).toMatchObject({ session: { period: at } });
  });

  it('where the next period is not there yet, a new session asks for it, and charging waits', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.advance(6_000);
    await world.subject.meter.cut(ORG, START);
    const at = world.now;
    expect(await world.open('b')).toMatchObject({ status: 'unseeded' });
    await world.advance(500);
    expect(await world.beat('a', 6_500)).toMatchObject({ totalMs: 6_000, missingPeriod: at });
    await world.seed({ period: at, endsAt: BOUNDARY });
    expect(await world.beat('a', 6_500)).toMatchObject({ totalMs: 6_500, chargedMs: 6_500 });
    expect(await world.organization(at)).toMatchObject({ usedMs: 500 });
  });
});
