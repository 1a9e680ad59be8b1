import { describe, expect, it } from 'vitest';
import {
  type Budget,
  crossingsOf,
  falselyToldOf,
  latenessOf,
  summarizeLateness,
  untoldOf,
} from './lateness.ts';
import { endedLog, stoppedLog } from './test-world.ts';

/** Two recorders on 30 s: the levels are truly crossed at 12, 13.5 and 15 s. */
function pair(): Budget {
  const logs = ['a', 'b'].map((session) =>
    stoppedLog(session, 0, 15_004, [
      { what: 80, atMs: 12_003 },
      { what: 90, atMs: 13_505 },
      { what: 100, atMs: 15_004 },
    ]),
  );
  return { org: 'o', quotaMs: 30_000, logs };
}

describe('lateness', () => {
  it('is the arrival after the instant at which all had used so much together', () => {
    const late = latenessOf(pair()).filter(({ session }) => session === 'a');
    expect(late.map(({ what, lateMs }) => [what, lateMs])).toEqual([
      ['80', 3],
      ['90', 5],
      ['100', 4],
      ['stop', 4],
    ]);
  });

  it('is negative where a stop came before its time', () => {
    const budget = pair();
    for (const log of budget.logs) {
      log.stop!.atMs = 14_000;
      log.recording = [{ fromMs: 0, toMs: 14_000 }];
    }
    const stops = latenessOf(budget).filter(({ what }) => what === 'stop');
    expect(stops.map(({ lateMs }) => lateMs)).toEqual([-1_000, -1_000]);
  });

  it('keeps apart what nobody could have told in time, since a recorder was away', () => {
    const budget = pair();
    budget.logs[1]!.away = [{ fromMs: 14_800, toMs: 15_900 }];
    const [, , , stop] = summarizeLateness(latenessOf(budget));
    expect(stop?.connected).toBeNull();
    expect(stop?.disturbed?.count).toBe(2);
    const [first] = summarizeLateness(latenessOf(budget));
    expect(first?.connected).toMatchObject({ count: 2, p99Ms: 3 });
  });

  it('leaves out what a recorder heard on joining, and organizations without a limit', () => {
    const budget = pair();
    for (const warning of budget.logs[0]!.warnings) warning.by = 'started';
    expect(latenessOf(budget).filter(({ session }) => session === 'a')).toHaveLength(1);
    expect(crossingsOf({ ...budget, quotaMs: null })).toEqual([]);
  });
});

describe('telling', () => {
  it('is complete where everybody heard of everything', () => {
    expect(untoldOf(pair())).toEqual([]);
    expect(falselyToldOf(pair())).toEqual([]);
  });

  it('misses a warning that never came, and one who was not stopped', () => {
    const budget = pair();
    budget.logs[0]!.warnings.shift();
    budget.logs[1]!.stop = null;
    budget.logs[1]!.recording = [{ fromMs: 0, toMs: 60_000 }];
    const untold = untoldOf(budget).map(({ session, what }) => `${session} ${what}`);
    expect(untold).toEqual(['a 80', 'b stop']);
  });

  it('sees a warning of a level that was never reached', () => {
    const quiet = endedLog('a', 0, 5_000);
    const spoiled = stoppedLog('b', 0, 5_000, [{ what: 80, atMs: 4_000 }]);
    spoiled.stop = null;
    const budget = { org: 'o', quotaMs: 30_000, logs: [quiet, spoiled] };
    expect(falselyToldOf(budget)).toEqual([{ org: 'o', session: 'b', what: '80' }]);
  });
});
