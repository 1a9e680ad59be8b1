import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LiveSession } from './session.ts';
import { createTicker, type Ticker } from './ticker.ts';

let ticker: Ticker | null = null;
let ticks: { id: string; at: number }[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  ticks = [];
});
afterEach(async () => {
  await ticker?.stop();
  vi.useRealTimers();
});

const session = (org: string, id: string) => ({ org, id }) as LiveSession;

function start(intervalMs: number): Ticker {
  const begin = performance.now();
  ticker = createTicker({
    intervalMs,
    monotonicMs: () => performance.now(),
    tick: ({ id }) => void ticks.push({ id, at: performance.now() - begin }),
  });
  return ticker;
}

const of = (id: string) => ticks.filter((it) => it.id === id).map(({ at }) => at);

it('ticks every session once an interval', async () => {
  const it = start(5_000);
  for (let i = 0; i < 200; i++) it.add(session(`org-${i}`, `s${i}`));
  vi.advanceTimersByTime(20_000);
  for (let i = 0; i < 200; i++) {
    const at = of(`s${i}`);
    expect(at).toHaveLength(4);
    at.slice(1).forEach((instant, turn) => {
      expect(instant - at[turn]!).toBe(5_000);
    });
  }
});

it('spreads organizations over the interval, and ticks each one’s sessions together', () => {
  const it = start(5_000);
  for (let i = 0; i < 100; i++) it.add(session(`org-${i}`, `s${i}`));
  it.add(session('org-7', 'other'));
  vi.advanceTimersByTime(5_000);
  expect(new Set(ticks.map(({ at }) => at)).size).toBeGreaterThan(40);
  expect(of('other')).toEqual(of('s7'));
});

it('makes up for a timer that came late, and for a long while only once', () => {
  const it = start(1_000);
  it.add(session('acme', 's'));
  vi.advanceTimersByTime(1_000);
  expect(of('s')).toHaveLength(1);
  // The process was held up for an hour: time went on, and no timer fired.
  const now = vi.spyOn(performance, 'now').mockReturnValue(3_600_000);
  vi.advanceTimersToNextTimer();
  expect(of('s')).toHaveLength(2);
  now.mockRestore();
});

it('ticks no session that has left', () => {
  const it = start(100);
  const gone = session('acme', 'gone');
  it.add(gone);
  it.add(session('acme', 'stays'));
  vi.advanceTimersByTime(100);
  it.remove(gone);
  vi.advanceTimersByTime(1_000);
  expect(of('gone')).toHaveLength(1);
  expect(of('stays')).toHaveLength(11);
});

it('stops', async () => {
  const it = start(100);
  it.add(session('acme', 's'));
  await it.stop();
  vi.advanceTimersByTime(1_000);
  expect(ticks).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
