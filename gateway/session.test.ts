import { setFlagsFromString } from 'node:v8';
import { beforeEach, describe, expect, it } from 'vitest';
import { sessionRow } from '../core/meter/test-rows.ts';
import { START } from '../core/meter/test-world.ts';
import {
  createLiveSession,
  hearCaptured,
  isNewer,
  isOver,
  type LiveSession,
  nextTick,
  recorderState,
  sendingOf,
  takeReply,
  takeRow,
  witnessOf,
} from './session.ts';
import { startStopwatch } from './stopwatch.ts';

let session: LiveSession;
beforeEach(() => {
  session = createLiveSession({
    row: sessionRow({ totalMs: 5_000, chargedMs: 5_000, chargedUpTo: START + 5_000 }),
    limits: {
      ...{ saveWindowMs: 1, onMeterFailure: 'continue', meterFailureMs: 1, outageTime: 'charge' },
      ...{ sessionLimitMs: null, sessionLevels: [] },
    },
    trustCaptured: false,
    stopwatch: startStopwatch(5_000, 100, true),
    at: 100,
  });
  session.wire = { send: () => {}, close: () => {} };
});

const reply = (totalMs: number, chargedMs = totalMs) => ({
  ...{ status: 'ok' as const, totalMs, chargedMs, overshootMs: totalMs - chargedMs },
  ...{ missingPeriod: null, boundaryDoubted: false, period: START },
});

describe('ticks', () => {
  it('are numbered from 1, and the instant of each is remembered for a while', () => {
    expect(Number.isNaN(sendingOf(session, 0))).toBe(true);
    for (let i = 1; i <= 40; i++) expect(nextTick(session, i * 10)).toBe(i);
    expect(sendingOf(session, 40)).toBe(400);
    expect(sendingOf(session, 9)).toBe(90);
    expect(Number.isNaN(sendingOf(session, 8))).toBe(true);
  });

  it('that were never sent have no instant', () => {
    nextTick(session, 10);
    expect(Number.isNaN(sendingOf(session, 2))).toBe(true);
    expect(Number.isNaN(sendingOf(session, 33))).toBe(true);
  });
});

describe('what the meter acknowledged', () => {
  it('is what it answered last', () => {
    takeReply(session, reply(9_000, 8_000), START + 9_000);
    expect(session.acknowledged).toEqual({
      ...{ totalMs: 9_000, chargedMs: 8_000, overshootMs: 1_000, at: START + 9_000 },
    });
  });

  it('never falls', () => {
    takeReply(session, reply(9_000), START + 9_000);
    takeReply(session, reply(8_000), START + 10_000);
    takeRow(session, sessionRow({ totalMs: 7_000, chargedMs: 7_000 }));
    expect(session.acknowledged).toMatchObject({ totalMs: 9_000, at: START + 9_000 });
  });

  it('comes with another epoch only where it has another owner', () => {
    const { epoch } = session;
    takeRow(session, sessionRow({ totalMs: 6_000, chargedMs: 6_000 }));
    expect(session.epoch).toBe(epoch);
    takeRow(session, sessionRow({ totalMs: 6_000, epoch: { generation: 2, counter: 1 } }));
    expect(session.epoch).toEqual({ generation: 2, counter: 1 });
  });

  it('names the periods it was charged in', () => {
    const marks = [
      { period: START, chargedMs: 0 },
      { period: START + 1, chargedMs: 5_000 },
    ];
    takeRow(session, sessionRow({ totalMs: 6_000, period: START + 1, marks }));
    expect(session).toMatchObject({ period: START + 1, marks });
  });
});

describe('a witness', () => {
  it('says what was acknowledged, not what is merely proven here', () => {
    session.stopwatch.totalMs = 9_000;
    expect(witnessOf(session)).toEqual({
      ...{ epoch: session.epoch, totalMs: 5_000, overshootMs: 0, at: START + 5_000 },
      ...{ state: 'recording', marks: session.marks },
    });
  });

  it('of a detached session says what its recorder did last', () => {
    session.wire = null;
    expect(recorderState(session)).toBe('detached');
    expect(witnessOf(session).state).toBe('recording');
    session.stopwatch.isRunning = false;
    expect(witnessOf(session).state).toBe('paused');
  });

  it('of one that is stopping does not record', () => {
    const limit = { reason: 'limitReached', binding: 'member' } as const;
    session.phase = { kind: 'stopping', ...limit, stopSeq: 3, stoppedAt: 200 };
    expect(witnessOf(session).state).toBe('paused');
  });

  it.each([{ kind: 'ended' }, { kind: 'elsewhere' }] as const)(
    'of one that is over ($kind) takes nothing',
    (phase) => {
      session.phase = phase;
      expect(isOver(session)).toBe(true);
      expect(witnessOf(session).state).toBe('detached');
    },
  );
});

it('what a recorder captured is not taken back', () => {
  hearCaptured(session, undefined);
  expect(session.capturedMs).toBeNull();
  hearCaptured(session, 700);
  hearCaptured(session, 300);
  hearCaptured(session, null);
  expect(session.capturedMs).toBe(700);
});

it.each([
  [1, 2, 1, 1, true],
  [2, 1, 1, 9, true],
  [1, 1, 1, 1, false],
  [1, 9, 2, 1, false],
])('epoch %i.%i against %i.%i is newer: %s', (generation, counter, otherGeneration, other, is) => {
  const than = { generation: otherGeneration, counter: other };
  expect(isNewer({ generation, counter }, than)).toBe(is);
});

it('all sessions have one hidden class, or each access to one of thousands goes the slow way', () => {
  setFlagsFromString('--allow-natives-syntax');
  const isAlike = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (
    a: LiveSession,
    b: LiveSession,
  ) => boolean;
  const made = (id: string) => {
    const it = createLiveSession({
      ...{ row: sessionRow({ session: id }), limits: session.limits, trustCaptured: false },
      ...{ stopwatch: startStopwatch(0, 0, true), at: 0 },
    });
    it.wire = { send: () => {}, close: () => {} };
    return it;
  };
  // The first ones teach the engine what the fields hold.
  for (let i = 0; i < 100; i++) made(`s${i}`);
  expect(isAlike(made('a'), made('b'))).toBe(true);
});
