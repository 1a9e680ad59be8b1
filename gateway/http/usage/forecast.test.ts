import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BudgetRow } from '../../../core/meter/rows.ts';
import { forecastOf, type Past } from './forecast.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAY = Date.UTC(2026, 4, 1);
const AT = MAY + 10 * DAY_MS;

function budget(more: Partial<BudgetRow>): BudgetRow {
  const usedMs = more.usedMs ?? 0;
  const quotaMs = more.quotaMs === undefined ? 100 * HOUR_MS : more.quotaMs;
  const burnRate = more.burnRate ?? 0;
  return {
    ...{ name: 'o|acme|1' as BudgetRow['name'], seq: 1, version: 1, mode: 0, stops: 0 },
    ...{ stoppedAt: 0, stopReason: '', levels: [], crossed: [], extraMs: 0, overageMs: 0 },
    ...{ startsAt: MAY, endsAt: MAY + 31 * DAY_MS, extraRemainingMs: 0, quotaMs, usedMs, burnRate },
    planMs: usedMs,
    remainingMs: quotaMs === null ? null : quotaMs - usedMs,
    // All of them are charged up to now.
    frontierSumMs: burnRate * (AT - MAY),
  };
}
const NO_PAST: Past = { daysMs: [], meanSessionMs: null };
const alike = (days: number, hours: number): Past => ({
  daysMs: Array.from({ length: days }, () => hours * HOUR_MS),
  meanSessionMs: HOUR_MS,
});

describe('a forecast', () => {
  it('says nothing where nothing is known', () => {
    expect(forecastOf(budget({}), AT, NO_PAST)).toEqual({
      ...{ endsAt: null, confidence: 0, method: 'none', periodUsedMs: 0, dayMs: 0 },
    });
  });

  it('is the burn rate where those who record now will use it up', () => {
    const row = budget({ burnRate: 4, usedMs: 99 * HOUR_MS });
    expect(forecastOf(row, AT, NO_PAST)).toMatchObject({
      ...{ endsAt: AT + HOUR_MS / 4, method: 'burnRate', confidence: 0.99 },
    });
  });

  it('is the trend where nobody records: fourteen alike days of two hours', () => {
    const found = forecastOf(budget({ usedMs: 90 * HOUR_MS }), AT, alike(14, 2));
    expect(found).toMatchObject({ endsAt: AT + 5 * DAY_MS, method: 'trend', dayMs: 2 * HOUR_MS });
    expect(found.periodUsedMs).toBe((90 + 2 * 21) * HOUR_MS);
    // Two thirds for two weeks, of which five days take away what nineteen leave.
    expect(found.confidence).toBeCloseTo((14 / 21) * (14 / 19), 1);
  });

  it('carries those who record now on for a session, not for ever, and the trend after it', () => {
    const row = budget({ burnRate: 10, usedMs: 80 * HOUR_MS });
    const found = forecastOf(row, AT, alike(14, 2));
    // Ten hours in the one they record; then ten are left, at two a day.
    expect(found).toMatchObject({
      ...{ endsAt: AT + HOUR_MS + 5 * DAY_MS, method: 'burnRateAndTrend' },
    });
  });

  it('names no end that is not in this period, or of what is unlimited', () => {
    expect(forecastOf(budget({}), AT, alike(14, 2)).endsAt).toBeNull();
    const unlimited = forecastOf(budget({ quotaMs: null, burnRate: 3 }), AT, alike(14, 2));
    expect(unlimited.endsAt).toBeNull();
    expect(unlimited.periodUsedMs).toBe(
      3 * HOUR_MS + Math.round((2 * HOUR_MS * (21 * 24 - 1)) / 24),
    );
  });

  it('is less sure of few days, of uneven days and of a far end', () => {
    const row = budget({ usedMs: 90 * HOUR_MS });
    const sure = forecastOf(row, AT, alike(28, 2)).confidence;
    expect(forecastOf(row, AT, alike(3, 2)).confidence).toBeLessThan(sure);
    const uneven = {
      daysMs: alike(28, 4).daysMs.map((ms, i) => (i % 2 ? ms : 0)),
      meanSessionMs: null,
    };
    expect(forecastOf(row, AT, uneven).confidence).toBeLessThan(sure);
    const far = forecastOf(budget({ usedMs: 70 * HOUR_MS }), AT, alike(28, 2));
    expect(far.confidence).toBeLessThan(sure);
  });

  it('stays within its bounds, and never ends later for one more who records', () => {
    fc.assert(
      fc.property(
        fc.record({
          burnRate: fc.nat(50),
          usedMs: fc.nat(100 * HOUR_MS),
          daysMs: fc.array(fc.nat(20 * DAY_MS), { maxLength: 28 }),
          meanSessionMs: fc.option(fc.nat(10 * HOUR_MS), { nil: null }),
        }),
        ({ burnRate, usedMs, ...past }) => {
          const found = forecastOf(budget({ burnRate, usedMs }), AT, past);
          const more = forecastOf(budget({ burnRate: burnRate + 1, usedMs }), AT, past);
          expect(found.confidence).toBeGreaterThanOrEqual(0);
          expect(found.confidence).toBeLessThanOrEqual(1);
          expect(found.periodUsedMs).toBeGreaterThanOrEqual(usedMs);
          expect(more.periodUsedMs!).toBeGreaterThanOrEqual(found.periodUsedMs!);
          if (found.endsAt === null) return;
          expect(found.endsAt).toBeGreaterThanOrEqual(AT);
          expect(found.endsAt).toBeLessThanOrEqual(MAY + 31 * DAY_MS);
          // A millisecond is lost in rounding up.
          expect(more.endsAt).toBeLessThanOrEqual(found.endsAt + 1);
        },
      ),
    );
  });
});
