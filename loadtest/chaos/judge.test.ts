import { describe, expect, it } from 'vitest';
import type { RecorderLog } from '../recorder-log.ts';
import { booksOf, endedLog } from '../test-world.ts';
import { judge } from './judge.ts';
import type { Struck } from './schedule.ts';

const RESUME_WINDOW_MS = 20_000;

function struckAt(fromMs: number, toMs: number, over: Partial<Struck>): Struck {
  const usual = { name: 'a fault', target: 'something', forgets: false, kills: 0 };
  return { ...usual, touches: [], fromMs, toMs, ...over };
}

/** A session of 10 s, with books that lack `missingMs` of it. */
function verdict(struck: Struck[], missingMs: number, over: Partial<RecorderLog> = {}) {
  const log = { ...endedLog('s', 1_000, 10_000), ...over };
  const budget = { org: 'o', quotaMs: null, logs: [log] };
  const books = { ...booksOf(budget), meterSessions: [], meterBudgets: [] };
  const [session] = books.ledgerSessions;
  for (const row of [session!, ...books.ledgerPeriods]) {
    if ('minutes' in row) {
      row.recordedMs -= missingMs;
      row.settledMs -= missingMs;
      row.minutes[0]!.ms -= missingMs;
      row.minutes[0]!.planMs -= missingMs;
    } else {
      row.usedMs -= missingMs;
      row.planMs -= missingMs;
      row.cachedMs -= missingMs;
    }
  }
  const judged = judge([budget], books, { struck, resumeWindowMs: RESUME_WINDOW_MS });
  return { ...judged, kinds: [...new Set(judged.findings.map(({ kind }) => kind))] };
}

const emptied = struckAt(10_500, 10_600, { touches: ['redis'], forgets: true });
const gatewayKilled = struckAt(11_200, 12_000, { touches: ['gateway'], kills: 1 });

describe('what a round of faults is judged by', () => {
  it('is content with books that agree', () => {
    expect(verdict([emptied, gatewayKilled], 0).kinds).toEqual([]);
  });

  it('takes a lost second for a finding while its gateway, or Redis, still knew of it', () => {
    for (const struck of [[], [emptied], [gatewayKilled]]) {
      expect(verdict(struck, 1_000).kinds).toContain('lost');
    }
  });

  it('counts apart what neither Redis nor its gateway nor its recorder could know any more', () => {
    const { kinds, unwitnessedMs } = verdict([emptied, gatewayKilled], 1_000);
    expect([kinds, unwitnessedMs]).toEqual([[], 1_000]);
  });

  it('takes it so, too, of time past a limit, of which only the record can be short', () => {
    const short = (struck: Struck[]) => {
      const log = endedLog('s', 1_000, 10_000);
      log.ended!.recordedMs += 300;
      log.ended!.overshootMs += 300;
      const budget = { org: 'o', quotaMs: null, logs: [log] };
      const books = { ...booksOf(budget), meterSessions: [], meterBudgets: [] };
      books.ledgerSessions[0]!.recordedMs -= 300;
      books.ledgerSessions[0]!.overshootMs -= 300;
      return judge([budget], books, { struck, resumeWindowMs: RESUME_WINDOW_MS });
    };
    expect(short([emptied]).findings.map(({ kind }) => kind)).toContain('apart');
    const excused = short([emptied, gatewayKilled]);
    expect([excused.findings, excused.unwitnessedMs]).toEqual([[], 300]);
  });

  describe('a recorder that was not told how its session ended', () => {
    const kindsOf = (struck: Struck[], phase = 'ended') => {
      const log = { ...endedLog('s', 1_000, 10_000), acknowledgedMs: 10_000 };
      const books = { ...booksOf({ org: 'o', quotaMs: null, logs: [log] }), meterSessions: [] };
      const untold = { org: 'o', quotaMs: null, logs: [{ ...log, ended: null, phase }] };
      const around = { struck, resumeWindowMs: RESUME_WINDOW_MS };
      const judged = judge([untold], { ...books, meterBudgets: [] }, around);
      return judged.findings.map(({ kind }) => kind);
    };
    const emptiedAt = (fromMs: number) =>
      struckAt(fromMs, fromMs + 100, { touches: ['redis'], forgets: true });

    it('is a finding, also where it knows that it is over', () => {
      expect(kindsOf([])).toEqual(['noEnd']);
      expect(kindsOf([gatewayKilled])).toEqual(['noEnd']);
      expect(kindsOf([struckAt(10_900, 11_500, { touches: ['redis'] })])).toEqual(['noEnd']);
    });

    it('is excused where Redis forgot the session before the ledger had all of it', () => {
      expect(kindsOf([emptiedAt(11_500)])).toEqual([]);
      expect(kindsOf([emptiedAt(11_500)], 'recording')).toEqual(['noEnd']);
      // Long before its stop, or long after: somebody knew the end.
      for (const fromMs of [5_000, 20_000]) expect(kindsOf([emptiedAt(fromMs)])).toEqual(['noEnd']);
    });

    it('is excused for longer where the ledger could not be closed', () => {
      const down = struckAt(10_500, 14_000, { touches: ['postgres'] });
      expect(kindsOf([down, emptiedAt(20_000)])).toEqual([]);
      expect(kindsOf([down, emptiedAt(23_000)])).toEqual(['noEnd']);
    });
  });

  it('excuses no doubled second, whatever happened', () => {
    expect(verdict([emptied, gatewayKilled], -1_000).kinds).toContain('doubled');
  });

  it('lets the own clock differ by what it cannot decide, and by no more', () => {
    const longer = { recording: [{ fromMs: 1_000, toMs: 13_000 }] };
    expect(verdict([], 0, longer).kinds).toEqual(['stopwatch']);
    expect(verdict([], 0, { ...longer, unsureMs: 2_000 }).kinds).toEqual([]);
    const stalled = struckAt(12_500, 13_200, { touches: ['door'] });
    expect(verdict([stalled], 0, longer).kinds).toEqual([]);
  });

  describe('a return whose gap was let go', () => {
    /** Recorded 14 s: away from 4.2 to 10 s, when it had proven 3 s; the gap of 7 s is not counted. */
    const gone: Partial<RecorderLog> = {
      ...{ recording: [{ fromMs: 0, toMs: 14_000 }], away: [{ fromMs: 4_200, toMs: 10_000 }] },
      ...{ connections: 2, acknowledgedMs: 7_000 },
      heard: [
        [0, 'started', 0, 'g1'],
        [3_000, 'tick', 2_000, 'g1'],
        [4_000, 'tick', 3_000, 'g1'],
        [10_000, 'started', 3_000, 'g2'],
        [11_000, 'tick', 3_000, 'g2'],
        [12_000, 'tick', 4_000, 'g2'],
        [13_000, 'tick', 5_000, 'g2'],
        [14_000, 'tick', 6_000, 'g2'],
      ],
    };
    const ended = endedLog('s', 0, 7_000).ended!;
    const kindsOf = (struck: Struck[], over: Partial<RecorderLog> = {}, missingMs = 0) =>
      verdict(struck, missingMs, { ...gone, ended, ...over }).kinds;
    const step = (fromMs: number, toMs: number, over: Partial<Struck> = {}) =>
      struckAt(fromMs, toMs, { touches: ['clock'], target: 'redis, +1 h', ...over });

    it('is excused where a clock of Redis was stepped in it, at its beginning or its end', () => {
      expect(kindsOf([])).toEqual(['stopwatch']);
      for (const it of [step(6_000, 20_000), step(1_000, 9_000), step(6_000, 7_000)]) {
        expect(kindsOf([it])).toEqual([]);
      }
      expect(verdict([step(6_000, 20_000)], 0, { ...gone, ended }).uncountedMs).toBe(7_000);
    });

    it('is excused by no step elsewhere, of another clock, or around all of it', () => {
      expect(kindsOf([step(11_500, 20_000)])).toEqual(['stopwatch']);
      expect(kindsOf([step(0, 20_000)])).toEqual(['stopwatch']);
      expect(kindsOf([step(6_000, 7_000, { target: 'gateway-1, +1 h' })])).toEqual(['stopwatch']);
      expect(kindsOf([step(6_000, 7_000, { touches: ['worker'] })])).toEqual(['stopwatch']);
    });

    it('is excused where it was stopped while it was away, and hears so as it returns', () => {
      const stop = { reason: 'limitReached', binding: 'organization', gateway: 'g2' };
      const stoppedAt = (atMs: number) => ({
        stop: { ...stop, atMs },
        recording: [{ fromMs: 0, toMs: atMs }],
        heard: gone.heard!.slice(0, 4),
      });
      const less = { acknowledgedMs: 3_000, ended: endedLog('s', 0, 3_000).ended! };
      expect(kindsOf([], { ...stoppedAt(10_010), ...less })).toEqual([]);
      expect(kindsOf([], { ...stoppedAt(11_500), ...less })).toEqual(['stopwatch']);
    });

    it('is excused by as much as was not counted, and in nobody’s disfavour', () => {
      // The meter counted the gap after all: then something else is missing.
      const counted = gone.heard!.map((it, i) =>
        i < 3 ? it : ([it[0], it[1], it[2] + 6_000, it[3]] as const),
      );
      expect(kindsOf([step(6_000, 20_000)], { heard: counted })).toEqual(['stopwatch']);
      // Its own clock let the gap go, too: the 2 s that are missing were before it.
      const apart = [
        { fromMs: 0, toMs: 5_000 },
        { fromMs: 10_000, toMs: 14_000 },
      ];
      expect(kindsOf([step(6_000, 20_000)], { recording: apart })).toEqual(['stopwatch']);
      const short = { recording: [{ fromMs: 0, toMs: 5_000 }] };
      expect(kindsOf([step(6_000, 20_000)], short)).toEqual(['stopwatch']);
    });

    it('makes up for nothing that was acknowledged and is not in the ledger', () => {
      expect(kindsOf([step(6_000, 20_000)], {}, 1_000)).toContain('lost');
    });
  });

  it('measures a return only where there was a gateway and stores to return to', () => {
    const away = { away: [{ fromMs: 4_000, toMs: 4_700 }], connections: 2 };
    const killed = struckAt(3_990, 5_000, { touches: ['gateway'], kills: 1 });
    expect(verdict([killed], 0, away).resumes).toMatchObject([{ fromMs: 4_000, ms: 700 }]);
    const down = struckAt(3_000, 4_200, { touches: ['redis'] });
    expect(verdict([killed, down], 0, away).resumes).toEqual([]);
  });

  it('waits for who left of its own will from when it wants to be back', () => {
    const left = { away: [{ fromMs: 4_000, toMs: 9_300, leftMs: 5_000 }], connections: 2 };
    const killed = struckAt(8_990, 9_500, { touches: ['gateway'], kills: 1 });
    expect(verdict([killed], 0, left).resumes).toMatchObject([{ fromMs: 9_000, ms: 300 }]);
    const before = struckAt(4_000, 5_000, { touches: ['gateway'], kills: 1 });
    expect(verdict([before], 0, left).resumes).toEqual([]);
  });
});
