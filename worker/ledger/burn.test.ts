import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LimitMode } from '../../core/meter/rows.ts';
import { type BurnPeriod, burn, type Growth, type Lot } from './burn.ts';

const MAY = 100;
const JUNE = 200;
const stop: BurnPeriod = {
  quotaMs: 1000,
  mode: LimitMode.stop,
  overageCapMs: null,
  planMs: 0,
  overageMs: 0,
};
const one = (ms: number, period: BurnPeriod, lots: Lot[] = []) =>
  burn([{ period: MAY, ms }], new Map([[MAY, period]]), lots)[0];

describe('burning', () => {
  it('takes plan first, then lots in their order, then debt where the plan says stop', () => {
    const lots = [
      { purchase: 'old', leftMs: 300 },
      { purchase: 'new', leftMs: 50 },
    ];
    expect(one(1500, stop, lots)).toEqual({
      planMs: 1000,
      extraMs: 350,
      overageMs: 150,
      billableMs: 0,
      debtMs: 150,
      lots: [
        { purchase: 'old', ms: 300 },
        { purchase: 'new', ms: 50 },
      ],
    });
  });

  it('bills overage up to its cap, counted with what was settled before', () => {
    const overage = { ...stop, mode: LimitMode.overage, planMs: 1000, overageMs: 30 };
    expect(one(100, overage)).toMatchObject({ overageMs: 100, billableMs: 100, debtMs: 0 });
    expect(one(100, { ...overage, overageCapMs: 50 })).toMatchObject({
      overageMs: 100,
      billableMs: 20,
      debtMs: 80,
    });
  });

  it('bills nothing in shadow mode, and calls none of it a debt', () => {
    const shadow = { ...stop, mode: LimitMode.shadow, planMs: 990 };
    expect(one(100, shadow)).toMatchObject({
      planMs: 10,
      overageMs: 90,
      billableMs: 0,
      debtMs: 0,
    });
  });

  it('draws nothing but plan where the quota is unlimited', () => {
    const lots = [{ purchase: 'lot', leftMs: 10 }];
    expect(one(5000, { ...stop, quotaMs: null }, lots)).toMatchObject({ planMs: 5000, extraMs: 0 });
  });

  it('gives each period its own plan, and both the same lots', () => {
    const periods = new Map([
      [MAY, { ...stop, planMs: 900 }],
      [JUNE, { ...stop, quotaMs: 10 }],
    ]);
    const growths = [
      { period: MAY, ms: 150 },
      { period: JUNE, ms: 50 },
    ];
    const splits = burn(growths, periods, [{ purchase: 'lot', leftMs: 60 }]);
    expect(splits).toMatchObject([
      { planMs: 100, extraMs: 50, overageMs: 0 },
      { planMs: 10, extraMs: 10, overageMs: 30 },
    ]);
  });

  it('refuses a growth of a period it knows nothing of', () => {
    expect(() => burn([{ period: JUNE, ms: 1 }], new Map([[MAY, stop]]), [])).toThrow('200');
  });
});

const amount = fc.integer({ min: 0, max: 500 });
const period: fc.Arbitrary<BurnPeriod> = fc.record({
  quotaMs: fc.option(amount),
  mode: fc.constantFrom(LimitMode.stop, LimitMode.overage, LimitMode.shadow),
  overageCapMs: fc.option(amount),
  planMs: amount,
  overageMs: amount,
});
const growth: fc.Arbitrary<Growth> = fc.record({
  period: fc.constantFrom(MAY, JUNE),
  ms: fc.integer({ min: 1, max: 200 }),
});
const lots = fc
  .array(fc.integer({ min: 1, max: 200 }), { maxLength: 4 })
  .map((all) => all.map((leftMs, i): Lot => ({ purchase: `lot-${i}`, leftMs })));

/** Says the same of every single millisecond, one at a time, and knows no min() and no ranges. */
function burnByMillisecond(
  growths: Growth[],
  periods: Map<number, BurnPeriod>,
  given: Lot[],
): string[] {
  const sources: string[] = [];
  const plan = new Map([...periods].map(([start, it]) => [start, it.planMs]));
  const over = new Map([...periods].map(([start, it]) => [start, it.overageMs]));
  const left = given.map((lot) => lot.leftMs);
  for (const { period: start, ms } of growths) {
    for (let i = 0; i < ms; i++) {
      const limits = periods.get(start)!;
      const lot = left.findIndex((it) => it > 0);
      if (limits.quotaMs === null || plan.get(start)! < limits.quotaMs) {
        plan.set(start, plan.get(start)! + 1);
        sources.push('plan');
      } else if (lot >= 0) {
        left[lot]! -= 1;
        sources.push(given[lot]!.purchase);
      } else {
        const before = over.get(start)!;
        over.set(start, before + 1);
        if (limits.mode === LimitMode.shadow) sources.push('shadow');
        else if (limits.mode === LimitMode.stop) sources.push('debt');
        else if (limits.overageCapMs !== null && before >= limits.overageCapMs)
          sources.push('debt');
        else sources.push('billable');
      }
    }
  }
  return sources;
}

describe('burning anything', () => {
  it('puts every millisecond where counting them one by one puts it', () => {
    fc.assert(
      fc.property(
        fc.array(growth, { maxLength: 6 }),
        period,
        period,
        lots,
        (growths, a, b, all) => {
          const periods = new Map([
            [MAY, a],
            [JUNE, b],
          ]);
          const splits = burn(growths, periods, all);
          const sources = burnByMillisecond(growths, periods, all);
          let at = 0;
          splits.forEach((split, i) => {
            const mine = sources.slice(at, at + growths[i]!.ms);
            at += growths[i]!.ms;
            const count = (source: string) => mine.filter((it) => it === source).length;
            expect(split.planMs).toBe(count('plan'));
            expect(split.billableMs).toBe(count('billable'));
            expect(split.debtMs).toBe(count('debt'));
            expect(split.overageMs - split.billableMs - split.debtMs).toBe(count('shadow'));
            const used = new Map(split.lots.map((lot) => [lot.purchase, lot.ms]));
            for (const lot of all) expect(used.get(lot.purchase) ?? 0).toBe(count(lot.purchase));
            expect(split.planMs + split.extraMs + split.overageMs).toBe(growths[i]!.ms);
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it('comes to the same sums however the growths are cut into batches', () => {
    fc.assert(
      fc.property(
        fc.array(growth, { minLength: 1, maxLength: 8 }),
        period,
        lots,
        (growths, a, all) => {
          const mine = growths.map(({ ms }) => ({ period: MAY, ms }));
          const whole = burn(mine, new Map([[MAY, a]]), all);
          const now = { ...a };
          const left = all.map((lot) => ({ ...lot }));
          const pieces = mine.flatMap((it) => {
            const [split] = burn(
              [it],
              new Map([[MAY, now]]),
              left.filter((lot) => lot.leftMs > 0),
            );
            now.planMs += split!.planMs;
            now.overageMs += split!.overageMs;
            for (const used of split!.lots) {
              left.find((lot) => lot.purchase === used.purchase)!.leftMs -= used.ms;
            }
            return split!;
          });
          expect(pieces).toEqual(whole);
        },
      ),
    );
  });
});
