import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DeadlineReply } from '../core/meter/commands.ts';
import type { BudgetRow } from '../core/meter/rows.ts';
import { recordingRow } from '../core/meter/test-rows.ts';
import { BOUNDARY, START } from '../core/meter/test-world.ts';
import { createDeadlines, type Deadlines } from './deadlines.ts';
import { createMeterTime } from './meter-time.ts';

const QUOTA_MS = 600_000;
/** everything is crossed but the stop */
const CROSSED = { levels: [100], crossed: [1], planMs: QUOTA_MS };

let begin: number;
let ticks: number[];
let asks: number[];
let answer: (row: BudgetRow) => Promise<DeadlineReply | null>;
let failures: unknown[];
let deadlines: Deadlines;

const sinceBegin = () => Date.now() - begin;

function start(at: number, speed = 1): void {
  vi.useFakeTimers({ now: at, toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
  begin = at;
  [ticks, asks, failures] = [[], [], []];
  answer = async () => null;
  const time = createMeterTime(
    { monotonicMs: () => performance.now(), wallMs: () => Date.now() },
    { meterBaseAt: at, realBaseAt: at, speed },
  );
  deadlines = createDeadlines({
    time,
    monotonicMs: () => performance.now(),
    tickAll: () => void ticks.push(sinceBegin()),
    ask(row) {
      asks.push(sinceBegin());
      return answer(row);
    },
    apply: (rows) => {
      for (const row of rows) deadlines.moved(row);
    },
    failed: (error) => void failures.push(error),
  });
}

beforeEach(() => start(START + 1_000));
afterEach(async () => {
  await deadlines.stop();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** One session records since the test began, `ms` remain, and no level is ahead. */
const leaves = (remainingMs: number, more: Partial<BudgetRow> = {}) =>
  recordingRow(1, begin, { ...CROSSED, remainingMs, ...more });
const again = (row: BudgetRow): DeadlineReply => ({
  status: 'again',
  now: Date.now(),
  budget: row,
});

describe('a stop', () => {
  it('is probed for a second ahead, and asked for at its instant', async () => {
    deadlines.moved(leaves(10_000));
    await pass(8_990);
    expect(ticks).toEqual([]);
    await pass(1_000);
    expect(ticks).toHaveLength(1);
    expect(ticks[0]).toBeGreaterThanOrEqual(9_000);
    expect(ticks[0]).toBeLessThan(9_010);
    expect(asks).toEqual([]);
    await pass(20);
    expect(asks).toEqual([10_001]);
  });

  it('that is less than a second ahead is probed at once', async () => {
    deadlines.moved(leaves(400));
    await pass(5);
    expect(ticks).toHaveLength(1);
    await pass(396);
    expect(asks).toEqual([401]);
  });

  it('is asked for again where T moved, not sooner than 20 ms', async () => {
    answer = async (row) => again({ ...row, remainingMs: row.remainingMs! + 1 });
    deadlines.moved(leaves(1_000));
    await pass(1_100);
    expect(asks.length).toBeGreaterThan(2);
    asks.slice(1).forEach((at, i) => {
      expect(at - asks[i]!).toBeGreaterThanOrEqual(20);
    });
  });

  it('is asked for when it is T on the clock of the server that has the budget', async () => {
    const behindMs = 500;
    answer = async (row) => ({ ...again(row), now: Date.now() - behindMs }) as DeadlineReply;
    deadlines.moved(leaves(1_000));
    await pass(1_450);
    expect(asks).toEqual([1_001]);
    await pass(60);
    expect(asks[1]).toBe(1_000 + behindMs);
  });

  it('is not asked for any more once the budget has stopped', async () => {
    answer = async (row) => {
      const budget = { ...row, seq: row.seq + 1, burnRate: 0, stops: 1, stoppedAt: Date.now() };
      return { status: 'stopped', now: Date.now(), budget };
    };
    deadlines.moved(leaves(1_000));
    await pass(10_000);
    expect(asks).toEqual([1_001]);
  });

  it.each([
    ['is away', null],
    ['is being recovered', { status: 'recover' }],
    ['has lost the budget', { status: 'unknown' }],
  ] as const)('is asked for once a second where the meter %s', async (_, reply) => {
    answer = async () => reply;
    deadlines.moved(leaves(1_000));
    await pass(6_100);
    expect(asks).toEqual([1_001, 2_001, 3_001, 4_001, 5_001, 6_001]);
  });

  it('is asked for by one call at a time', async () => {
    answer = () => new Promise((resolve) => setTimeout(resolve, 3_000, null));
    deadlines.moved(leaves(1_000));
    await pass(2_500);
    deadlines.moved(leaves(1_000, { seq: 2 }));
    await pass(400);
    expect(asks).toEqual([1_001]);
  });

  it('is not asked for after the end of the period, however late the words of its sessions', async () => {
    start(BOUNDARY - 2_000);
    deadlines.moved(leaves(1_500, { endsAt: BOUNDARY }));
    answer = async (row) => again(row);
    await pass(1_900);
    const before = asks.length;
    expect(before).toBeGreaterThan(0);
    await pass(200);
    const atEnd = asks.length;
    await pass(10_000);
    expect(asks.length).toBe(atEnd);
  });

  it('is probed anew where it moved away, but not in a storm of ticks', async () => {
    deadlines.moved(leaves(1_500));
    await pass(520);
    expect(ticks).toHaveLength(1);
    // Each answer moves it by a little more than rounding can.
    for (let i = 1; i <= 50; i++) {
      deadlines.moved(leaves(1_500 + 3 * i, { seq: 1 + i }));
      await pass(2);
    }
    expect(ticks.length).toBeGreaterThan(1);
    expect(ticks.length).toBeLessThan(8);
  });
});

describe('a warning', () => {
  const level = (more: Partial<BudgetRow> = {}) =>
    recordingRow(1, begin, { levels: [80], crossed: [0], ...more });

  it('is ticked for at its instant', async () => {
    deadlines.moved(level({ planMs: 470_000, remainingMs: 130_000 }));
    await pass(9_990);
    expect(ticks).toEqual([]);
    await pass(20);
    expect(ticks).toEqual([10_002]);
    expect(asks).toEqual([]);
  });

  it('that is past already is ticked for at once, then once a second', async () => {
    deadlines.moved(level({ planMs: 490_000, remainingMs: 110_000 }));
    await pass(3_500);
    expect(ticks).toEqual([0, 1_000, 2_000, 3_000]);
  });

  it('and its stop are told apart', async () => {
    deadlines.moved(level({ planMs: 479_000, remainingMs: 5_000 }));
    await pass(1_010);
    expect(ticks).toEqual([1_002]);
    deadlines.moved(level({ seq: 2, planMs: 479_000, remainingMs: 5_000, crossed: [1] }));
    await pass(3_000);
    expect(ticks).toEqual([1_002, 4_001]);
    await pass(1_000);
    expect(asks).toEqual([5_001]);
  });
});

describe('a timer', () => {
  it('is not moved to a later instant, but looks again when it fires', async () => {
    deadlines.moved(leaves(10_000));
    const set = vi.spyOn(globalThis, 'setTimeout');
    for (let i = 1; i <= 100; i++) deadlines.moved(leaves(10_000 + i * 1_000, { seq: 1 + i }));
    expect(set).not.toHaveBeenCalled();
    await pass(9_100);
    expect(set).toHaveBeenCalledTimes(1);
    expect(ticks).toEqual([]);
    await pass(101_000);
    expect(asks[0]).toBe(110_001);
  });

  it('is moved to an earlier one', async () => {
    deadlines.moved(leaves(100_000));
    deadlines.moved(leaves(2_000, { seq: 2 }));
    await pass(2_010);
    expect(asks).toEqual([2_001]);
  });

  it('is one a budget, and none when nobody draws on it any more', async () => {
    deadlines.moved(leaves(10_000));
    deadlines.moved(leaves(5_000, { name: 'other' }));
    expect(vi.getTimerCount()).toBe(2);
    deadlines.gone('other');
    expect(vi.getTimerCount()).toBe(1);
    await deadlines.stop();
    expect(vi.getTimerCount()).toBe(0);
    deadlines.moved(leaves(10_000));
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is none where nobody records', () => {
    deadlines.moved(leaves(10_000, { burnRate: 0 }));
    expect(vi.getTimerCount()).toBe(0);
  });

  it('waits longer than a timer can, in turns', async () => {
    const days = 40 * 86_400_000;
    deadlines.moved(leaves(days, { endsAt: null }));
    await pass(days - 2_000);
    expect(ticks).toEqual([]);
    await pass(2_010);
    expect(asks).toEqual([days + 1]);
  });
});

it('goes by meter time, with the probe in real time', async () => {
  start(START + 1_000, 60);
  deadlines.moved(leaves(60 * 10_000));
  await pass(9_020);
  expect(ticks).toHaveLength(1);
  expect(ticks[0]).toBeGreaterThanOrEqual(9_000);
  await pass(990);
  expect(asks).toEqual([10_001]);
});

it('goes on where a stop could not be applied', async () => {
  let isBroken = true;
  answer = async (row) => {
    if (isBroken) throw new Error('broke');
    return again(row);
  };
  deadlines.moved(leaves(1_000));
  await pass(1_010);
  expect(failures).toHaveLength(1);
  isBroken = false;
  await pass(1_000);
  expect(asks.length).toBeGreaterThan(1);
});
