import { describe, expect, it } from 'vitest';
import { deadlinesOf, percentOf, runsOutAt, sourceOf } from './projection.ts';
import { LimitMode } from './rows.ts';
import { budgetRow, recordingRow } from './test-rows.ts';
import { BOUNDARY, START } from './test-world.ts';

const NOON = START + 12 * 3_600_000;

describe('a source', () => {
  it('is the plan, then extra minutes, then overage where the plan allows it', () => {
    expect(sourceOf(budgetRow())).toBe('plan');
    const used = { usedMs: 600_000, planMs: 600_000 };
    expect(sourceOf(budgetRow({ ...used, extraRemainingMs: 1 }))).toBe('extra');
    expect(sourceOf(budgetRow({ ...used, mode: LimitMode.overage }))).toBe('overage');
    expect(sourceOf(budgetRow({ ...used, mode: LimitMode.shadow }))).toBe('overage');
  });

  it('of what is used up is where the last millisecond came from', () => {
    const used = { usedMs: 600_000, planMs: 600_000, remainingMs: 0 };
    expect(sourceOf(budgetRow(used))).toBe('plan');
    expect(sourceOf(budgetRow({ ...used, extraMs: 5 }))).toBe('extra');
  });

  it('of an unlimited budget is the plan', () => {
    expect(sourceOf(budgetRow({ quotaMs: null, planMs: 9e9 }))).toBe('plan');
  });
});

describe('a percentage', () => {
  it('is of the plan quota, whatever extra minutes there are', () => {
    expect(percentOf(budgetRow({ planMs: 480_000, extraRemainingMs: 600_000 }))).toBe(80);
  });
  it('is 100 of nothing, and 0 of no limit', () => {
    expect(percentOf(budgetRow({ quotaMs: 0 }))).toBe(100);
    expect(percentOf(budgetRow({ quotaMs: null, planMs: 5 }))).toBe(0);
  });
});

describe('a budget runs out', () => {
  it('when its sessions together have used what remains, whoever was charged last', () => {
    expect(runsOutAt(recordingRow(1, NOON))).toBe(NOON + 600_000);
    expect(runsOutAt(recordingRow(3, NOON))).toBe(NOON + 200_000);
    // One of two was charged ten seconds later than the other, which takes ten seconds of the budget.
    const uneven = recordingRow(2, NOON, { usedMs: 10_000, planMs: 10_000, remainingMs: 590_000 });
    uneven.frontierSumMs += 10_000;
    expect(runsOutAt(uneven)).toBe(NOON + 300_000);
  });

  it('never where nobody records, nothing limits it, or its period ends first', () => {
    expect(runsOutAt(budgetRow())).toBeNull();
    expect(runsOutAt(recordingRow(1, NOON, { quotaMs: null, remainingMs: null }))).toBeNull();
    expect(runsOutAt(recordingRow(1, BOUNDARY - 600_000))).toBeNull();
    expect(runsOutAt(recordingRow(1, BOUNDARY - 600_001))).toBe(BOUNDARY - 1);
  });

  it('at a whole millisecond, not before it has', () => {
    expect(runsOutAt(recordingRow(7, NOON, { remainingMs: 1_000 }))).toBe(NOON + 143);
  });
});

describe('deadlines', () => {
  it('are the next level not crossed yet, and the stop', () => {
    expect(deadlinesOf(recordingRow(1, NOON))).toEqual({
      tickAt: NOON + 480_000,
      stopAt: NOON + 600_000,
    });
    const crossed = { usedMs: 480_000, planMs: 480_000, remainingMs: 120_000 };
    expect(deadlinesOf(recordingRow(1, NOON, { ...crossed, crossed: [1, 0, 0] })).tickAt).toBe(
      NOON + 60_000,
    );
  });

  it('are a minutes-left level, but not one as large as the whole budget', () => {
    const levels = { levels: [-60_000, -600_000], crossed: [0, 0] };
    expect(deadlinesOf(recordingRow(1, NOON, levels)).tickAt).toBe(NOON + 540_000);
  });

  it('are the end of the plan, where extra minutes come after it', () => {
    const row = recordingRow(1, NOON, {
      ...{ remainingMs: 900_000, extraRemainingMs: 300_000, crossed: [1, 1, 1] },
    });
    expect(deadlinesOf(row)).toEqual({ tickAt: NOON + 600_000, stopAt: NOON + 900_000 });
  });

  it('are the end of the period, and of a budget without an end none', () => {
    const crossed = { crossed: [1, 1, 1], planMs: 600_000, usedMs: 600_000 };
    const late = recordingRow(1, BOUNDARY - 5_000, { ...crossed, remainingMs: 60_000 });
    expect(deadlinesOf(late)).toEqual({ tickAt: BOUNDARY, stopAt: null });
    const own = recordingRow(1, NOON, { ...crossed, endsAt: null, remainingMs: 60_000 });
    expect(deadlinesOf(own)).toEqual({ tickAt: null, stopAt: NOON + 60_000 });
  });

  it('of a level that is behind already are in the past', () => {
    const row = recordingRow(1, NOON, { planMs: 500_000, usedMs: 500_000, remainingMs: 100_000 });
    expect(deadlinesOf(row).tickAt).toBe(NOON - 20_000);
  });

  it('are none where nobody records, and no stop where it has stopped', () => {
    expect(deadlinesOf(budgetRow())).toEqual({ tickAt: null, stopAt: null });
    expect(deadlinesOf(recordingRow(1, NOON, { stoppedAt: NOON })).stopAt).toBeNull();
  });

  it('of shadow mode are its percent levels, and no stop', () => {
    const shadow = { mode: LimitMode.shadow, remainingMs: null, levels: [80, -60_000] };
    expect(deadlinesOf(recordingRow(1, NOON, { ...shadow, crossed: [0, 0] }))).toEqual({
      tickAt: NOON + 480_000,
      stopAt: null,
    });
  });
});
