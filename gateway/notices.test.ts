import { describe, expect, it } from 'vitest';
import { budgetRow } from '../core/meter/test-rows.ts';
import { BOUNDARY, START } from '../core/meter/test-world.ts';
import { due, holdingOn, isNewSource, type ToldSource, warningId } from './notices.ts';

const name = `o|acme|${START}`;
const member = `m|acme|ann|${START}`;
const draws = new Set([name, member]);

/** As a session remembers what it told of these rows. */
function toldOf(...rows: ReturnType<typeof budgetRow>[]) {
  const holding = rows.flatMap(holdingOn);
  return new Map(
    holding.map(({ state, row, version }) => [state.id, { budget: row.name, version }]),
  );
}

describe('the warnings of a budget', () => {
  it('are its crossed levels, in their order', () => {
    const row = budgetRow({ levels: [80, 90, 100, -60_000], crossed: [3, 3, 0, 4] });
    expect(holdingOn(row).map(({ state }) => state)).toEqual([
      { id: `o/acme/${START}/3/80percent`, threshold: { percent: 80 }, scope: 'organization' },
      { id: `o/acme/${START}/3/90percent`, threshold: { percent: 90 }, scope: 'organization' },
      {
        id: `o/acme/${START}/4/60000msLeft`,
        threshold: { remainingMs: 60_000 },
        scope: 'organization',
      },
    ]);
  });

  it('have ids of their own by threshold, scope, period and limit version', () => {
    const ids = [
      warningId(name, 80, 1),
      warningId(name, 90, 1),
      warningId(name, -80, 1),
      warningId(name, 80, 2),
      warningId(member, 80, 1),
      warningId(`o|acme|${BOUNDARY}`, 80, 1),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    expect(warningId(name, 80, 1)).toBe(ids[0]);
  });
});

describe('what is due', () => {
  it('is what holds and was not told, of all budgets, each once', () => {
    const rows = [
      budgetRow({ crossed: [1, 1, 0] }),
      budgetRow({ name: member, crossed: [1, 0, 0] }),
    ];
    const told = toldOf(budgetRow({ crossed: [1, 0, 0] }));
    const { warnings, recovered } = due(told, rows, draws);
    expect(warnings.map(({ state }) => [state.scope, state.threshold])).toEqual([
      ['organization', { percent: 90 }],
      ['member', { percent: 80 }],
    ]);
    expect(recovered).toEqual([]);
    expect(due(toldOf(...rows), rows, draws)).toEqual({ warnings: [], recovered: [] });
  });

  it('withdraws what a change of limit has made untrue', () => {
    const told = toldOf(budgetRow({ crossed: [1, 1, 0] }));
    const raised = budgetRow({ seq: 2, version: 2, crossed: [1, 0, 0] });
    expect(due(told, [raised], draws).recovered).toEqual([warningId(name, 90, 1)]);
  });

  it('tells a level anew that is crossed again under new limits', () => {
    const told = toldOf(budgetRow({ crossed: [1, 0, 0] }));
    const again = budgetRow({ version: 2, crossed: [2, 0, 0] });
    const { warnings, recovered } = due(told, [again], draws);
    expect(recovered).toEqual([warningId(name, 80, 1)]);
    expect(warnings.map(({ state }) => state.id)).toEqual([warningId(name, 80, 2)]);
  });

  it('withdraws what was of the period before', () => {
    const told = toldOf(budgetRow({ crossed: [1, 0, 0] }));
    const next = `o|acme|${BOUNDARY}`;
    expect(due(told, [budgetRow({ name: next })], new Set([next])).recovered).toEqual([
      warningId(name, 80, 1),
    ]);
  });

  it('withdraws nothing of a budget that is not known at the moment', () => {
    const told = toldOf(budgetRow({ name: member, crossed: [1, 0, 0] }));
    expect(due(told, [budgetRow()], draws).recovered).toEqual([]);
  });

  it('withdraws nothing of a budget that stands lower while a recovery is under way', () => {
    const told = toldOf(budgetRow({ crossed: [1, 1, 1] }));
    expect(due(told, [budgetRow({ usedMs: 0, crossed: [0, 0, 0] })], draws).recovered).toEqual([]);
  });
});

describe('a source', () => {
  const at = (source: ToldSource['source'], version = 1, budget = name): ToldSource => ({
    ...{ source, budget, version },
  });

  it('is news on its way from the plan to extra minutes to overage', () => {
    expect(isNewSource(at('plan'), at('extra'))).toBe(true);
    expect(isNewSource(at('extra'), at('overage'))).toBe(true);
    expect(isNewSource(at('extra'), at('extra', 2))).toBe(false);
  });

  it('goes back only by new limits or a new period', () => {
    expect(isNewSource(at('extra'), at('plan'))).toBe(false);
    expect(isNewSource(at('extra'), at('plan', 2))).toBe(true);
    expect(isNewSource(at('overage'), at('plan', 1, `o|acme|${BOUNDARY}`))).toBe(true);
  });
});
