/** What a minute grows by, where the ledger has some of it already. */
import { expect, it } from 'vitest';
import { minuteKey } from './grouping.ts';
import { growthsOf } from './growth.ts';
import type { StoredMinute } from './reads.ts';
import { JUNE, MAY } from './test-books-run.ts';

const minute = (period: number, ms: number) => ({
  ...{ org: 'acme', session: 's1', user: 'ann', minute: 0, period, ms, month: '2026-05-01' },
});
function stored(period: number, ms: number): Map<string, StoredMinute> {
  const split = { planMs: ms, extraMs: 0, overageMs: 0, billableMs: 0, debtMs: 0 };
  const row = { org: 'acme', session: 's1', minute: 0, period, day: '2026-05-31', ms, ...split };
  return new Map([[minuteKey(row), row]]);
}
const grow = (items: ReturnType<typeof minute>[], known: Map<string, StoredMinute>) =>
  growthsOf(items, known, () => '2026-06-01').map(({ period, ms, growth, begins }) => {
    return { period, ms, grewMs: growth.ms, begins };
  });

it('is what is larger than what is stored; less, and the same again, is nothing', () => {
  const known = stored(MAY, 40_000);
  expect(grow([minute(MAY, 55_000)], known)).toEqual([
    { period: MAY, ms: 55_000, grewMs: 15_000, begins: false },
  ]);
  expect(grow([minute(MAY, 40_000)], known)).toEqual([]);
  expect(grow([minute(MAY, 30_000)], known)).toEqual([]);
});

it('fills a minute to its 60 seconds in all periods together, and what came first stays', () => {
  expect(grow([minute(JUNE, 30_000)], stored(MAY, 40_000))).toEqual([
    { period: JUNE, ms: 20_000, grewMs: 20_000, begins: false },
  ]);
  expect(grow([minute(MAY, 45_000), minute(JUNE, 45_000)], new Map())).toEqual([
    { period: MAY, ms: 45_000, grewMs: 45_000, begins: true },
    { period: JUNE, ms: 15_000, grewMs: 15_000, begins: false },
  ]);
  expect(grow([minute(JUNE, 30_000)], stored(MAY, 60_000))).toEqual([]);
});
