import { describe, expect, it } from 'vitest';
import { crossingMs, isAwayAt, isLiveAt, unstoppedSpans } from './oracle.ts';
import { endedLog, makeLog, stoppedLog } from './test-world.ts';

describe('the true instant of a level', () => {
  it('is reached by one recorder after as long', () => {
    expect(crossingMs([{ fromMs: 1_000, toMs: 60_000 }], 24_000)).toBe(25_000);
  });

  it('is reached by ten recorders in a tenth of the time', () => {
    const spans = Array.from({ length: 10 }, () => ({ fromMs: 500, toMs: 60_000 }));
    expect(crossingMs(spans, 30_000)).toBe(3_500);
  });

  it('counts joins, pauses and ends where they are', () => {
    const spans = [
      { fromMs: 0, toMs: 10_000 },
      { fromMs: 5_000, toMs: 8_000 },
      { fromMs: 20_000, toMs: 40_000 },
    ];
    // 10 s and 3 s are used by 10 s; nobody records until 20 s.
    expect(crossingMs(spans, 12_000)).toBe(9_000);
    expect(crossingMs(spans, 13_500)).toBe(20_500);
  });

  it('is not reached by recorders that stop before, nor by none', () => {
    expect(crossingMs([{ fromMs: 0, toMs: 9_999 }], 10_000)).toBeNull();
    expect(crossingMs([], 1)).toBeNull();
  });

  it('lies after a stop that came too early', () => {
    const early = [stoppedLog('a', 0, 9_990, []), stoppedLog('b', 0, 9_990, [])];
    expect(crossingMs(early.flatMap(unstoppedSpans), 20_000)).toBe(10_000);
  });

  it('does not let a recorder go on that had paused before the stop', () => {
    const paused = makeLog({
      recording: [{ fromMs: 0, toMs: 5_000 }],
      stop: { reason: 'limitReached', binding: null, atMs: 9_000, gateway: 'g' },
    });
    expect(unstoppedSpans(paused)).toEqual([{ fromMs: 0, toMs: 5_000 }]);
  });
});

describe('who was there', () => {
  it('is away from the loss to the answer to its resume', () => {
    const log = makeLog({ away: [{ fromMs: 100, toMs: 200 }] });
    expect([99, 100, 150, 200, 201].map((atMs) => isAwayAt(log, atMs))).toEqual([
      ...[false, true, true, true, false],
    ]);
    expect(isAwayAt(log, 0, 100)).toBe(true);
  });

  it('is live from its first recording to its own end, or as long as it would have gone on', () => {
    expect(
      [999, 1_000, 3_000, 3_001].map((at) => isLiveAt(endedLog('a', 1_000, 2_000), at)),
    ).toEqual([false, true, true, false]);
    expect(isLiveAt(stoppedLog('a', 1_000, 2_000, []), 99_000)).toBe(true);
  });
});
