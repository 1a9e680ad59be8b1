import { describe, expect, it } from 'vitest';
import type { Reading } from '../core/protocol/messages.ts';
import { project } from './projection.ts';
import { type MeterEvent, reduce } from './reducer.ts';
import { initialState, type MeterState } from './state.ts';
import { reading, started, stopping, tick } from './test-gateway.ts';

const AT = 1_000_000;

/** Live since 0 on the client's clock, last reading at `readAtMs`. */
function live(over: Partial<Reading>, readAtMs = 0, speed = 1): MeterState {
  const events: MeterEvent[] = [
    { type: 'message', message: started({ reading: reading({ at: AT }) }), nowMs: 0 },
    { type: 'message', message: tick(1, { at: AT + readAtMs * speed, ...over }), nowMs: readAtMs },
  ];
  return events.reduce(reduce, { ...initialState, speed });
}

it('is nothing before the first reading', () => {
  expect(project(initialState, 5_000)).toMatchObject({ at: null, sessionMs: 0, remainingMs: null });
});

describe('between two readings', () => {
  it('runs use up and the remainder down at the burn rate', () => {
    const state = live({ usedMs: 10_000, remainingMs: 50_000, burnRate: 3 });
    expect(project(state, 2_000)).toMatchObject({
      at: AT + 2_000,
      sessionMs: 2_000,
      usedMs: 16_000,
      remainingMs: 44_000,
    });
  });

  it('follows the deadline, which knows what the reading has not charged yet', () => {
    // Charged up to 5 s ago: 25 s remain of the count, 20 s on the wall.
    const state = live({ usedMs: 5_000, remainingMs: 25_000, endsAt: AT + 30_000 }, 10_000);
    expect(project(state, 10_000)).toMatchObject({ remainingMs: 20_000, usedMs: 10_000 });
    expect(project(state, 14_000)).toMatchObject({ remainingMs: 16_000, endsInMs: 16_000 });
  });

  it('never passes the limit, whatever the clock says', () => {
    const near = { usedMs: 59_000, remainingMs: 1_000, limitMs: 60_000 };
    const state = live({ ...near, endsAt: AT + 1_000, burnRate: 1 });
    expect(project(state, 8_000)).toMatchObject({ remainingMs: 0, usedMs: 60_000, endsInMs: 0 });
  });

  it('has nothing left once it was stopped at the limit, though the last piece is not charged', () => {
    const near = reading({ usedMs: 59_200, remainingMs: 800, percent: 98, burnRate: 0 });
    const stop: MeterEvent = { type: 'message', message: stopping({ reading: near }), nowMs: 9 };
    const state = reduce(live({}), stop);
    expect(project(state, 9)).toMatchObject({ usedMs: 60_000, remainingMs: 0 });
    const heard = (over: Partial<Reading>) =>
      project(reduce(state, { type: 'message', message: tick(9, over), nowMs: 9 }), 9);
    // A tick in the save window comes before that, too.
    expect(heard(near)).toMatchObject({ usedMs: 60_000, remainingMs: 0, percent: 100 });
    expect(heard({ ...near, limitMs: 69_000, remainingMs: 9_800 }).remainingMs).toBe(9_800);
  });

  it('moves the percent of the plan with it', () => {
    const plan = { usedMs: 45_000, limitMs: 65_000, remainingMs: 20_000, extraRemainingMs: 5_000 };
    const state = live({ ...plan, percent: 75, burnRate: 1 });
    expect(project(state, 6_000).percent).toBeCloseTo(85, 6);
    const other = live({ ...plan, percent: 75, binding: 'session' });
    expect(project(other, 6_000).percent).toBe(75);
  });

  it('draws extra minutes down only while they are drawn on', () => {
    const extra = { percent: 100, remainingMs: 5_000, extraRemainingMs: 5_000 };
    expect(project(live({ ...extra, source: 'extra' }), 2_000).extraRemainingMs).toBe(3_000);
    const plan = { percent: 50, remainingMs: 35_000, extraRemainingMs: 5_000 };
    expect(project(live(plan), 2_000).extraRemainingMs).toBe(5_000);
  });

  it('knows no end where there is none', () => {
    const state = live({ limitMs: null, remainingMs: null, usedMs: 7_000 });
    expect(project(state, 1_000)).toMatchObject({
      usedMs: 8_000,
      limitMs: null,
      remainingMs: null,
      endsAt: null,
      endsInMs: null,
    });
  });

  it('runs at the speed of the test clock', () => {
    const state = live({ sessionMs: 0, remainingMs: 3_600_000, endsAt: AT + 3_600_000 }, 0, 60);
    expect(project(state, 1_000)).toMatchObject({
      at: AT + 60_000,
      sessionMs: 60_000,
      remainingMs: 3_540_000,
    });
  });
});

describe('session time', () => {
  it('does not wait for the meter to prove it', () => {
    // At a tick the meter has acknowledged only what the beat before proved.
    expect(project(live({ sessionMs: 5_000 }, 10_000), 11_000).sessionMs).toBe(11_000);
  });

  it('is what the meter says where that is more', () => {
    expect(project(live({ sessionMs: 12_000 }, 10_000), 10_000).sessionMs).toBe(12_000);
  });

  it('stands still after a silence that the meter will not count', () => {
    const state = live({}, 10_000);
    const counted = 10_000 + 5_000 + 15_000;
    expect(project(state, counted - 1).sessionMs).toBe(counted - 1);
    expect(project(state, counted + 60_000).sessionMs).toBe(counted);
  });

  it('and all else stands where it stood when it was stopped', () => {
    const state = reduce(live({ usedMs: 5_000, remainingMs: 55_000 }), {
      type: 'stopping',
      nowMs: 3_000,
    });
    const stopped = project(state, 3_000);
    expect(stopped).toMatchObject({ sessionMs: 3_000, usedMs: 8_000, remainingMs: 52_000 });
    expect(project(state, 9_000)).toEqual(stopped);
  });
});
