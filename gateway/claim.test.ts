/** What is claimed for a session: rule 3 of core/meter/README.md. */
import { expect, it } from 'vitest';
import { sessionRow } from '../core/meter/test-rows.ts';
import { claimedMs } from './claim.ts';
import { createLiveSession } from './session.ts';
import { startStopwatch } from './stopwatch.ts';

/** 10 s proven, 5 s acknowledged */
function session(trustCaptured: boolean, capturedMs: number | null) {
  const limits = { saveWindowMs: 0, onMeterFailure: 'continue' as const, meterFailureMs: 0 };
  const made = createLiveSession({
    row: sessionRow({ totalMs: 5_000, chargedMs: 5_000 }),
    limits: { ...limits, outageTime: 'charge', sessionLimitMs: null, sessionLevels: [] },
    ...{ trustCaptured, stopwatch: startStopwatch(10_000.9, 0, true), at: 0 },
  });
  made.capturedMs = capturedMs;
  return made;
}

it('is what was proven, in whole milliseconds, whatever a recorder says it captured', () => {
  expect(claimedMs(session(false, 3_000), 1)).toBe(10_000);
  expect(claimedMs(session(true, null), 1)).toBe(10_000);
});

it('of a trusted recorder is what it captured, where that is less', () => {
  expect(claimedMs(session(true, 7_000), 1)).toBe(7_000);
  expect(claimedMs(session(true, 3_500), 2)).toBe(7_000);
});

it('is never more than was proven, and never less than was acknowledged', () => {
  expect(claimedMs(session(true, 60_000), 1)).toBe(10_000);
  expect(claimedMs(session(true, 0), 1)).toBe(5_000);
});
