import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sessionRow } from '../core/meter/test-rows.ts';
import type { Connection } from './connection.ts';
import { createLiveSession, type LiveSession } from './session.ts';
import { startStopwatch } from './stopwatch.ts';
import { startWatch } from './watch.ts';

const SILENCE_MS = 20_000;
let sessions: LiveSession[];
let connections: Connection[];
let log: string[];
let said: object[];
let watch: { stop(): Promise<void> };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  [sessions, connections, log, said] = [[], [], [], []];
  watch = startWatch({
    monotonicMs: () => performance.now(),
    silenceMs: SILENCE_MS,
    sessions: () => sessions,
    connections: () => connections,
    meterFailed: ({ id }) => void log.push(`${id} failed`),
    sayAgain: ({ id }) => void log.push(`${id} again`),
  });
});
afterEach(async () => {
  await watch.stop();
  vi.useRealTimers();
});

function add(id: string, more: Partial<LiveSession> = {}, terminate = false): LiveSession {
  const session = createLiveSession({
    row: sessionRow({ session: id }),
    limits: {
      ...{ saveWindowMs: 1, onMeterFailure: terminate ? 'terminate' : 'continue' },
      ...{ meterFailureMs: 60_000, sessionLimitMs: null, sessionLevels: [], outageTime: 'charge' },
    },
    trustCaptured: false,
    stopwatch: startStopwatch(0, 0, true),
    at: performance.now(),
  });
  const wire = {
    send: (...told: object[]) => void said.push(...told),
    close: (code: number) => void log.push(`${id} ${code}`),
  };
  sessions.push(Object.assign(session, { wire }, more));
  return session;
}

describe('a recorder', () => {
  it('that says nothing for interval and timeout is closed with 4001', () => {
    add('silent');
    vi.advanceTimersByTime(SILENCE_MS);
    expect(log).toEqual([]);
    vi.advanceTimersByTime(500);
    expect(log).toEqual(['silent 4001']);
    expect(said).toMatchObject([{ type: 'error', code: 'beatTimeout', fatal: true }]);
  });

  it('that answers in time is not', () => {
    const session = add('alive');
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(15_000);
      session.heardAt = performance.now();
    }
    expect(log).toEqual([]);
  });

  it('that is not there cannot be silent', () => {
    add('detached', { wire: null });
    vi.advanceTimersByTime(100_000);
    expect(log).toEqual([]);
  });
});

describe('a session that waits for the meter', () => {
  it('goes on as long as its plan bears', () => {
    add('strict', { waitingSince: 0, wire: null }, true);
    add('patient', { waitingSince: 0, wire: null });
    vi.advanceTimersByTime(20_500);
    expect(log.filter((line) => line.endsWith('failed'))).toEqual(['strict failed']);
    vi.advanceTimersByTime(40_000);
    expect(log).toContain('patient failed');
  });

  it('says its word again, where no recorder brings another', () => {
    add('alone', { waitingSince: 0, wire: null });
    add('lonely', { waitingSince: 0, wire: null });
    add('well', { wire: null });
    vi.advanceTimersByTime(500);
    expect(log).toEqual(['alone again', 'lonely again']);
  });

  it('of those with a recorder one is enough to find out when the meter is back', () => {
    for (const id of ['a', 'b', 'c']) add(id, { waitingSince: 0 });
    vi.advanceTimersByTime(500);
    expect(log).toEqual(['a again']);
  });
});

describe('a reader', () => {
  function connect(unsentBytes: () => number): void {
    connections.push({
      ...{
        slowSince: null,
        send: () => {},
        message: () => {},
        malformed: () => {},
        closed: () => {},
      },
      close: (code: number) => void log.push(`close ${code}`),
      socket: { unsentBytes, terminate: () => void log.push('cut') },
    } as never);
  }

  it('that leaves 64 KB unread for five seconds is closed with 4002 and cut off', () => {
    connect(() => 64 * 1024 + 1);
    vi.advanceTimersByTime(5_000);
    expect(log).toEqual([]);
    vi.advanceTimersByTime(1_000);
    expect(log.slice(0, 2)).toEqual(['close 4002', 'cut']);
  });

  it('that catches up in between is not', () => {
    let unsent = 100_000;
    connect(() => unsent);
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(4_000);
      unsent = 0;
      vi.advanceTimersByTime(500);
      unsent = 100_000;
    }
    expect(log).toEqual([]);
  });
});
