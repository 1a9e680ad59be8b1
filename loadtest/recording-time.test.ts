import { describe, expect, it } from 'vitest';
import { RecordingTime } from './recording-time.ts';

const GAP_MS = 20_000;

describe("a recorder's own stopwatch", () => {
  it('keeps the spans in which it recorded', () => {
    const time = new RecordingTime();
    time.begin(0);
    time.halt(4_000);
    time.begin(6_000);
    time.begin(7_000);
    time.halt(9_000);
    time.halt(10_000);
    expect(time.spans).toEqual([
      { fromMs: 0, toMs: 4_000 },
      { fromMs: 6_000, toMs: 9_000 },
    ]);
  });

  it('counts a gap whole, or not at all where it is too long', () => {
    const countedWith = (gapMs: number) => {
      const time = new RecordingTime();
      time.begin(0);
      time.prove(5_000);
      time.bridge(5_000 + gapMs, GAP_MS);
      time.halt(6_000 + gapMs);
      return time.spans.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
    };
    expect(countedWith(GAP_MS)).toBe(26_000);
    expect(countedWith(GAP_MS + 1)).toBe(6_000);
  });

  it('stands still over a gap while it is paused', () => {
    const time = new RecordingTime();
    time.begin(0);
    time.halt(1_000);
    time.bridge(90_000, GAP_MS);
    expect(time.spans).toEqual([{ fromMs: 0, toMs: 1_000 }]);
    expect(time.isRunning).toBe(false);
  });
});
