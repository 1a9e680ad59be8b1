/**
 * Two subjects asked the same: every reply and every event must be equal, field by field. Three
 * things are free, since the rules leave them free: the order of lists; how far `seq` rises, as
 * long as a row that differs has a higher one; and telling a budget's row more often than rule 7
 * demands. `beats` and `seed` answer with the rows they touched: rows that both give must agree.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Meter } from './commands.ts';
import type { BudgetRow, MeterEvent } from './rows.ts';
import type { Subject } from './test-subject.ts';

export class Disagreement extends Error {
  override name = 'Disagreement';
}

export interface Lockstep extends Subject {
  /** what was asked and answered, for the report of a failure */
  log: string[];
}

/** `rules` are held against `scripts`; the answers of `rules` are handed on. */
export function lockstep(rules: Subject, scripts: Subject): Lockstep {
  const log: string[] = [];
  const both = [
    { subject: rules, seqs: createSeqs('the first') },
    { subject: scripts, seqs: createSeqs('the second') },
  ];

  const meter = new Proxy({} as Meter, {
    get: (_target, name: keyof Meter) => {
      return async (...args: unknown[]) => {
        const call = `${name}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`;
        const answers = await Promise.all(
          both.map(({ subject }) => {
            const ask = subject.meter[name] as (...args: unknown[]) => Promise<unknown>;
            return ask.apply(subject.meter, structuredClone(args));
          }),
        );
        for (const [i, { seqs }] of both.entries()) {
          const answer = answers[i];
          const { now } = Object(answer) as { now?: number };
          seqs.passed(now ?? 0);
          for (const row of rowsIn(answer)) seqs.see(row);
          if (name === 'reset') seqs.forget();
        }
        log.push(call, `  → ${JSON.stringify(answers[0])}`);
        const [expected, actual] = answers;
        if (name === 'beats' || name === 'seed') compare(call, ...inCommon(expected, actual));
        else compare(call, expected, actual);
        return expected;
      };
    },
  });
  return {
    meter,
    log,
    setClock: async (shard, clock) => {
      log.push(`setClock(${shard}, ${JSON.stringify(clock)})`);
      for (const { subject } of both) await subject.setClock(shard, clock);
    },
    setRunId: (runId) => {
      for (const { subject } of both) subject.setRunId(runId);
    },
    lose: async (shard) => {
      log.push(`lose(${shard})`);
      for (const { subject, seqs } of both) {
        await subject.lose(shard);
        seqs.forget();
      }
    },
    takeEvents: async () => {
      const expected = await rules.takeEvents();
      compareEvents(expected, await scripts.takeEvents());
      return expected;
    },
    stop: async () => {
      for (const { subject } of both) await subject.stop();
    },
  };
}

function compare(what: string, expected: unknown, actual: unknown): void {
  const [one, other] = [normal(expected), normal(actual)];
  if (isDeepStrictEqual(one, other)) return;
  throw new Disagreement([what, ...differences('', one, other).slice(0, 20)].join('\n'));
}

/** Of budgets, all that rule 7 demands must have been told; of the rest, the very same. */
function compareEvents(expected: MeterEvent[], actual: MeterEvent[]): void {
  const others = (events: MeterEvent[]) => events.filter((event) => event.kind !== 'budget');
  compare('events', others(expected), others(actual));
  const told = new Set(actual.map((event) => textOf(normal(event))));
  for (const event of expected) {
    if (event.kind !== 'budget' || told.has(textOf(normal(event)))) continue;
    const same = actual.filter((one) => one.kind === 'budget' && one.row.name === event.row.name);
    throw new Disagreement(`Not told: ${textOf(event.row)}\nbut: ${textOf(same)}`);
  }
}

/** Both answers with the budgets' rows that both name. */
function inCommon(expected: unknown, actual: unknown): [unknown, unknown] {
  const names = (answer: unknown) => new Set(rowsIn(answer).map((row) => row.name));
  const [one, other] = [names(expected), names(actual)];
  const cut = (answer: unknown) => {
    const budgets = rowsIn(answer).filter((row) => one.has(row.name) && other.has(row.name));
    return { ...(answer as object), budgets };
  };
  return [cut(expected), cut(actual)];
}

function rowsIn(answer: unknown): BudgetRow[] {
  const { budgets, budget } = Object(answer) as { budgets?: unknown[]; budget?: BudgetRow };
  const rows = (budgets ?? []).filter((row): row is BudgetRow => typeof row === 'object');
  return budget === undefined ? rows : [...rows, budget];
}

/** Rule 7: `seq` rises with every write, so that readers can order the rows they come upon. */
function createSeqs(who: string) {
  const last = new Map<string, BudgetRow>();
  let latest = 0;
  return {
    passed(now: number): void {
      latest = Math.max(latest, now);
    },
    see(row: BudgetRow): void {
      const before = last.get(row.name);
      // What other periods draw on extra minutes is no write of one that is over, or that was until
      // the clock was set back.
      const isOver = row.endsAt !== null && latest >= row.endsAt;
      const free = isOver ? { seq: 0, remainingMs: 0, extraRemainingMs: 0 } : { seq: 0 };
      // A session's own budget is made anew if the session comes back after it has retired.
      const isAnew = row.name.startsWith('s|') && row.seq <= 1;
      if (before !== undefined && !isAnew && row.seq <= before.seq) {
        const same = isDeepStrictEqual({ ...row, ...free }, { ...before, ...free });
        if (row.seq < before.seq || !same) {
          throw new Disagreement(`seq of ${who} did not rise: ${textOf(before)}, ${textOf(row)}`);
        }
      }
      last.set(row.name, row);
    },
    forget: () => last.clear(),
  };
}

/** Lists whose order means nothing are sorted; `items` of beats answer by position and are not. */
const SORTED = new Set(['budgets', 'minutes', 'fields', 'sessions', 'events']);

function normal(value: unknown, key = 'events'): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => normal(item, ''));
    const isUnsettled = items.some((item) => Object.hasOwn(Object(item), 'field'));
    const sorted = SORTED.has(key) || isUnsettled;
    return sorted ? items.sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1)) : items;
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'seq')
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, normal(item, name)]),
  );
}

function textOf(value: unknown): string {
  return JSON.stringify(value);
}

function differences(path: string, a: unknown, b: unknown): string[] {
  if (isDeepStrictEqual(a, b)) return [];
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return [`${path}: ${JSON.stringify(a)} by the rules, ${JSON.stringify(b)} by the scripts`];
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) =>
    differences(
      `${path}.${key}`,
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
    ),
  );
}
