import { beforeEach, describe, expect, it } from 'vitest';
import type { BudgetRow } from '../core/meter/rows.ts';
import { budgetRow, sessionRow } from '../core/meter/test-rows.ts';
import { type Budgets, createBudgets } from './budgets.ts';
import { createLiveSession, type LiveSession } from './session.ts';
import { startStopwatch } from './stopwatch.ts';

const { name } = budgetRow();
let budgets: Budgets;
let heard: string[];

function session(id: string): LiveSession {
  return createLiveSession({
    row: sessionRow({ session: id }),
    limits: {
      ...{ saveWindowMs: 1, onMeterFailure: 'continue', meterFailureMs: 1, outageTime: 'charge' },
      ...{ sessionLimitMs: null, sessionLevels: [] },
    },
    trustCaptured: false,
    stopwatch: startStopwatch(0, 0, true),
    at: 0,
  });
}

function draw(it: LiveSession, ...names: string[]): void {
  budgets.draw(it, names);
  for (const drawn of names) it.joined.set(drawn, 0);
}

const apply = (more: Partial<BudgetRow> = {}) => budgets.apply([budgetRow(more)]);

beforeEach(() => {
  heard = [];
  budgets = createBudgets({
    moved: ({ seq }) => void heard.push(`moved ${seq}`),
    changed: ({ seq }, sessions, isOtherLimit) => {
      const whose = [...sessions].map(({ id }) => id).join(' ');
      heard.push(`changed ${seq} for ${whose}${isOtherLimit ? ', another limit' : ''}`);
    },
    gone: (it) => void heard.push(`gone ${it}`),
  });
});

describe('rows', () => {
  it('of budgets that nobody here draws on are passed over', () => {
    apply();
    expect(budgets.get(name)).toBeUndefined();
    expect(heard).toEqual([]);
  });

  it('are taken in any order, the higher seq being the newer', () => {
    draw(session('a'), name);
    apply({ seq: 5, usedMs: 500 });
    apply({ seq: 4, usedMs: 400 });
    apply({ seq: 5, usedMs: 1 });
    expect(budgets.get(name)?.usedMs).toBe(500);
    apply({ seq: 6, usedMs: 600 });
    expect(budgets.get(name)?.usedMs).toBe(600);
    expect(heard).toEqual(['moved 5', 'changed 5 for a', 'moved 6']);
  });

  it.each<[string, Partial<BudgetRow>]>([
    ['a crossed level', { crossed: [1, 0, 0] }],
    ['a stop', { stops: 1 }],
    ['the end of a stop', { stoppedAt: 7 }],
    ['a limit', { version: 2 }],
    ['other levels', { levels: [80], crossed: [0] }],
    ['a source', { planMs: 600_000, extraRemainingMs: 5 }],
  ])('that say %s are told to every session that draws on it', (_, more) => {
    draw(session('a'), name);
    draw(session('b'), name);
    apply();
    heard.length = 0;
    apply({ seq: 2, ...more });
    expect(heard).toEqual(['moved 2', 'changed 2 for a b']);
  });

  it('that say another limit say so, and one that was written as it was is none', () => {
    draw(session('a'), name);
    apply({ remainingMs: 600_000 });
    heard.length = 0;
    apply({ seq: 2, version: 2, usedMs: 5_000, remainingMs: 595_000 });
    apply({ seq: 3, version: 3, usedMs: 5_000, remainingMs: 655_000 });
    apply({ seq: 4, version: 4, usedMs: 5_000, remainingMs: null });
    expect(heard.filter((it) => it.startsWith('changed'))).toEqual([
      'changed 2 for a',
      'changed 3 for a, another limit',
      'changed 4 for a, another limit',
    ]);
  });

  it("of a session's own budget, which begins while it records, are another limit", () => {
    draw(session('a'), 's|acme|a');
    apply({ name: 's|acme|a' });
    expect(heard).toEqual(['moved 1', 'changed 1 for a, another limit']);
  });

  it('that say only how much was used are told to nobody', () => {
    draw(session('a'), name);
    apply();
    heard.length = 0;
    apply({ seq: 2, usedMs: 5, planMs: 5, remainingMs: 599_995, burnRate: 3 });
    expect(heard).toEqual(['moved 2']);
  });

  it('are numbered anew after a recovery, and the last one is kept until then', () => {
    draw(session('a'), name);
    apply({ seq: 900, usedMs: 5 });
    budgets.renumber((it) => it === name);
    expect(budgets.get(name)?.usedMs).toBe(5);
    apply({ seq: 2, usedMs: 3 });
    expect(budgets.get(name)?.usedMs).toBe(3);
    apply({ seq: 1, usedMs: 1 });
    expect(budgets.get(name)?.usedMs).toBe(3);
  });

  it('of another shard keep their numbers', () => {
    draw(session('a'), name);
    apply({ seq: 900 });
    budgets.renumber(() => false);
    apply({ seq: 2 });
    expect(budgets.get(name)?.seq).toBe(900);
  });
});

describe('sessions', () => {
  it('draw on exactly what they were last said to', () => {
    const a = session('a');
    draw(a, name, 'member');
    draw(a, name, 'next');
    expect([...budgets.names()]).toEqual([name, 'next']);
    expect(heard).toEqual(['gone member']);
    expect([...a.joined.keys()]).toEqual([name, 'next']);
  });

  it('leave nothing behind when the last one goes', () => {
    const [a, b] = [session('a'), session('b')];
    draw(a, name);
    draw(b, name);
    apply();
    budgets.draw(a, []);
    expect(budgets.get(name)).toBeDefined();
    expect([...budgets.sessionsOn(name)]).toEqual([b]);
    budgets.draw(b, []);
    expect(budgets.get(name)).toBeUndefined();
    expect([...budgets.names()]).toEqual([]);
    expect(heard.at(-1)).toBe(`gone ${name}`);
  });

  it('that come back to a budget begin with its next row', () => {
    const a = session('a');
    draw(a, name);
    apply({ seq: 9 });
    budgets.draw(a, []);
    draw(a, name);
    apply({ seq: 3 });
    expect(budgets.get(name)?.seq).toBe(3);
  });
});
