/** Records, the split that follows the ledger, compare-and-remove: rules 10 to 13 of README.md. */
import { expect, it } from 'vitest';
import { organizationBudget } from './budget-name.ts';
import type { SettledBudget, SettledCommand } from './commands.ts';
import { onModelAndRedis } from './test-each.ts';
import { BOUNDARY, ORG, SHARD, START } from './test-world.ts';

const NAME = organizationBudget(ORG, START);
function settledCommand(more: Partial<SettledCommand>): SettledCommand {
  return { shard: SHARD, generation: 1, removed: [], budgets: [], accounts: [], ...more };
}
function sums(sequence: number, planMs: number, extraMs = 0, overageMs = 0): SettledBudget {
  const usedMs = planMs + extraMs + overageMs;
  return { name: NAME, sequence, usedMs, planMs, extraMs, overageMs };
}

onModelAndRedis('minutes', (begin) => {
  it('rule 10: a minute is written when it is full, a partial one when the session rests', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.beat('a', 59_999);
    expect(await world.minutes()).toEqual({});
    await world.beat('a', 60_000);
    expect(await world.minutes()).toEqual({ [`a|0|${START}`]: 60_000 });
    await world.beat('a', 200_000);
    const full = {
      [`a|0|${START}`]: 60_000,
      [`a|1|${START}`]: 60_000,
      [`a|2|${START}`]: 60_000,
    };
    expect(await world.minutes()).toEqual(full);
    await world.beat('a', 200_000, { state: 'paused' });
    expect(await world.minutes()).toEqual({ ...full, [`a|3|${START}`]: 20_000 });
    await world.beat('a', 201_500, { state: 'detached' });
    expect(await world.minutes()).toEqual({ ...full, [`a|3|${START}`]: 21_500 });
  });

  it('rule 10: a record that was settled is put again only if the session has grown', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.beat('a', 5_000, { state: 'paused' });
    const removed = (await world.pending()).map(({ field, value }) => ({ field, value }));
    await world.subject.meter.settled(settledCommand({ removed }));
    await world.beat('a', 5_000, { state: 'paused' });
    await world.beat('a', 5_000, { state: 'detached' });
    expect(await world.minutes()).toEqual({});
    await world.beat('a', 6_000, { state: 'paused' });
    expect(await world.minutes()).toEqual({ [`a|0|${START}`]: 6_000 });
  });

  it("rule 10: a stopped session's last piece, and its overshoot, are written at once", async () => {
    const world = await begin();
    await world.seed({ quotaMs: 5_000 });
    await world.open('a');
    await world.beat('a', 6_000);
    expect(await world.minutes()).toEqual({ [`a|0|${START}`]: 5_000 });
    const row = (await world.pending()).find((item) => item.kind === 'session');
    expect(row).toMatchObject({ value: '1:2', row: { overshootMs: 1_000, state: 'recording' } });
    await world.beat('a', 6_000);
    const again = (await world.pending()).find((item) => item.kind === 'session');
    expect(again).toMatchObject({ value: '1:2' });
  });

  it('rule 13: removes a field only if its value is what was committed', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a');
    await world.beat('a', 5_000, { state: 'paused' });
    const removed = (await world.pending()).map(({ field, value }) => ({ field, value }));
    expect(removed).toHaveLength(2);
    await world.beat('a', 6_000, { state: 'paused' });
    const { meter } = world.subject;
    const reply = await meter.settled(settledCommand({ removed }));
    expect(reply).toMatchObject({ status: 'ok', removed: 1 });
    expect(await world.minutes()).toEqual({ [`a|0|${START}`]: 6_000 });
    expect(await meter.settled(settledCommand({ removed }))).toMatchObject({ removed: 0 });
    const stale = settledCommand({ removed, generation: 2 });
    expect(await meter.settled(stale)).toEqual({ status: 'staleGeneration' });
  });

  it('rule 13: an ended session retires when nothing of it waits, and not before', async () => {
    const world = await begin();
    await world.seed();
    await world.open('a', { sessionLimitMs: 90_000, sessionLevels: [50] });
    await world.beat('a', 61_000);
    await world.close('a', 62_000);
    await world.subject.takeEvents();
    const items = await world.pending();
    const own = items.filter((item) => item.kind !== 'alert');
    const [first, ...rest] = own.map(({ field, value }) => ({ field, value }));
    expect(items.map((item) => item.kind).sort()).toEqual(['alert', 'minute', 'minute', 'session']);
    const { meter } = world.subject;
    await meter.settled(settledCommand({ removed: rest }));
    expect(await world.session('a')).toMatchObject({ state: 'ended', unsettled: 1 });
    await meter.settled(settledCommand({ removed: first === undefined ? [] : [first] }));
    const retired = { kind: 'retired', org: ORG, session: 'a' };
    expect(await world.subject.takeEvents()).toContainEqual(retired);
    expect(await world.beat('a', 63_000)).toMatchObject({ status: 'unknown' });
    expect(await meter.readBudgets(ORG, [`s|${ORG}|a`])).toMatchObject({ budgets: [] });
  });
});

onModelAndRedis('the split', (begin) => {
  it('rule 12: follows the ledger, by sequence and generation, and never moves what is used', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000, grantedMs: 5_000 });
    await world.open('a');
    await world.beat('a', 12_000);
    const split = async () => {
      const { usedMs, planMs, extraMs, overageMs } = await world.organization();
      return { usedMs, planMs, extraMs, overageMs };
    };
    expect(await split()).toEqual({ usedMs: 12_000, planMs: 10_000, extraMs: 2_000, overageMs: 0 });
    const { meter } = world.subject;
    const accounts = [{ org: ORG, sequence: 2, drawnMs: 4_000 }];
    await meter.settled(settledCommand({ budgets: [sums(2, 7_000, 4_000)], accounts }));
    // 1,000 is not settled yet: plan has room for it.
    expect(await split()).toEqual({ usedMs: 12_000, planMs: 8_000, extraMs: 4_000, overageMs: 0 });
    expect(await world.organization()).toMatchObject({ extraRemainingMs: 1_000 });
    await meter.settled(settledCommand({ budgets: [sums(2, 11_000)] }));
    await meter.settled(settledCommand({ budgets: [sums(1, 11_000)] }));
    await meter.settled(settledCommand({ budgets: [sums(3, 11_000)], generation: 2 }));
    expect(await split()).toEqual({ usedMs: 12_000, planMs: 8_000, extraMs: 4_000, overageMs: 0 });
  });

  it('rule 12: what a seed says is drawn is not counted beside what drew it', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 1_000, grantedMs: 5_000 });
    await world.open('a');
    await world.beat('a', 3_000);
    // Settled in the ledger; the meter has not heard of it when the next period is made.
    const reply = await world.seed({
      ...{ quotaMs: 1_000, grantedMs: 5_000, period: BOUNDARY },
      ...{ drawnMs: 2_000, drawnSequence: 9 },
    });
    expect(reply).toMatchObject({ status: 'ok' });
    expect(await world.organization()).toMatchObject({ extraRemainingMs: 3_000 });
    const accounts = [{ org: ORG, sequence: 9, drawnMs: 2_000 }];
    const { meter } = world.subject;
    await meter.settled(settledCommand({ budgets: [sums(9, 1_000, 2_000)], accounts }));
    expect(await world.organization()).toMatchObject({ extraMs: 2_000, extraRemainingMs: 3_000 });
  });

  it('rule 12: a draw that only the ledger knew of crosses and stops, as a charge does', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 1_000, grantedMs: 5_000, levels: [100, -2_000] });
    await world.open('a');
    await world.beat('a', 2_000);
    await world.subject.takeEvents();
    const { meter } = world.subject;
    const drawn = (sequence: number, drawnMs: number) =>
      settledCommand({ accounts: [{ org: ORG, sequence, drawnMs }] });
    await meter.settled(drawn(2, 2_500));
    const row = await world.organization();
    expect(row).toMatchObject({ extraRemainingMs: 1_500, crossed: [1, 1], stops: 0 });
    expect(await world.subject.takeEvents()).toContainEqual({ kind: 'budget', row });
    await meter.settled(drawn(3, 4_000));
    expect(await world.organization()).toMatchObject({ remainingMs: 0, stops: 1, burnRate: 0 });
    expect(await world.beat('a', 2_500)).toMatchObject({ status: 'stopped', overshootMs: 500 });
  });

  it('rule 12: a larger quota takes back what extra minutes had lent', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 10_000, grantedMs: 5_000 });
    await world.open('a');
    await world.beat('a', 12_000);
    await world.seed({ quotaMs: 20_000, grantedMs: 5_000, version: 2 });
    expect(await world.organization()).toMatchObject({
      ...{ usedMs: 12_000, planMs: 12_000, extraMs: 0 },
      ...{ extraRemainingMs: 5_000, remainingMs: 13_000 },
    });
    await world.seed({ quotaMs: 4_000, grantedMs: 5_000, version: 3 });
    expect(await world.organization()).toMatchObject({
      ...{ usedMs: 12_000, planMs: 4_000, extraMs: 5_000, overageMs: 3_000 },
      ...{ extraRemainingMs: 0, remainingMs: 0 },
    });
  });

  it('rule 12: the older period draws on extra minutes first', async () => {
    const world = await begin();
    const NEXT = BOUNDARY;
    await world.seed({ quotaMs: 1_000, grantedMs: 1_000 });
    await world.seed({ quotaMs: 1_000, grantedMs: 1_000, period: NEXT });
    await world.open('old');
    await world.beat('old', 2_000);
    await world.close('old', 2_000);
    await world.seed({ quotaMs: 1_000, grantedMs: 3_000, grantVersion: 2 });
    await world.setNow(NEXT);
    await world.open('new', { period: NEXT });
    await world.beat('new', 3_000);
    expect(await world.organization(NEXT)).toMatchObject({ planMs: 1_000, extraMs: 2_000 });
    await world.seed({ quotaMs: 1_000, grantedMs: 2_000, grantVersion: 3 });
    expect(await world.organization()).toMatchObject({ extraMs: 1_000, overageMs: 0 });
    expect(await world.organization(NEXT)).toMatchObject({ extraMs: 1_000, overageMs: 1_000 });
  });

  it('rule 12: nor does it matter which of them the meter knew first', async () => {
    const world = await begin();
    const limits = { quotaMs: 1_000, grantedMs: 2_000 };
    await world.seed({ ...limits, period: BOUNDARY });
    await world.seed(limits);
    await world.open('old');
    await world.beat('old', 2_000);
    await world.close('old', 2_000);
    await world.setNow(BOUNDARY);
    await world.open('new', { period: BOUNDARY });
    await world.beat('new', 2_000);
    await world.seed({ ...limits, grantedMs: 1_000, grantVersion: 2 });
    expect(await world.organization()).toMatchObject({ extraMs: 1_000, overageMs: 0 });
    expect(await world.organization(BOUNDARY)).toMatchObject({ extraMs: 0, overageMs: 1_000 });
  });

  it('rule 12: what an account has drawn follows the ledger by its sequence, too', async () => {
    const world = await begin();
    await world.seed({ quotaMs: 1_000, grantedMs: 5_000 });
    const { meter } = world.subject;
    const drawn = (sequence: number, drawnMs: number) =>
      meter.settled(settledCommand({ accounts: [{ org: ORG, sequence, drawnMs }] }));
    await drawn(3, 2_000);
    expect(await world.organization()).toMatchObject({ extraRemainingMs: 3_000 });
    await drawn(2, 1_000);
    await drawn(3, 4_000);
    expect(await world.organization()).toMatchObject({ extraRemainingMs: 3_000 });
  });
});
