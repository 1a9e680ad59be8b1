/** Several subjects asked the same: every reply and every event must be equal, field by field. */
import { isDeepStrictEqual } from 'node:util';
import type { Meter, MeterEvent } from './commands.ts';
import type { Subject } from './test-subject.ts';

export class Disagreement extends Error {
  override name = 'Disagreement';
}

export interface Lockstep extends Subject {
  /** what was asked and answered, for the report of a failure */
  log: string[];
}

/** The first subject's answers are handed on: the schedule goes by them. */
export function lockstep(subjects: Subject[]): Lockstep {
  const log: string[] = [];
  const [leader] = subjects;
  if (leader === undefined) throw new RangeError('Nobody to ask');

  function compare<T>(what: string, answers: T[]): T {
    const plain = answers.map((answer) => normal(answer));
    const other = plain.findIndex((answer) => !isDeepStrictEqual(answer, plain[0]));
    if (other > 0) {
      const differing = differences('', plain[0], plain[other]).slice(0, 20).join('\n');
      throw new Disagreement(`${what}\n${differing}`);
    }
    return answers[0] as T;
  }
  const meter = new Proxy({} as Meter, {
    get: (_target, name: keyof Meter) => {
      return async (...args: unknown[]) => {
        const call = `${name}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`;
        log.push(call);
        const answers: unknown[] = [];
        for (const subject of subjects) {
          const ask = subject.meter[name] as (...args: unknown[]) => Promise<unknown>;
          answers.push(await ask.apply(subject.meter, structuredClone(args)));
        }
        log.push(`  → ${JSON.stringify(answers[0])}`);
        return compare(call, answers);
      };
    },
  });
  return {
    meter,
    log,
    setClock: async (shard, clock) => {
      log.push(`setClock(${shard}, ${JSON.stringify(clock)})`);
      for (const subject of subjects) await subject.setClock(shard, clock);
    },
    setRunId: (runId) => {
      for (const subject of subjects) subject.setRunId(runId);
    },
    lose: async (shard) => {
      log.push(`lose(${shard})`);
      for (const subject of subjects) await subject.lose(shard);
    },
    takeEvents: async () => {
      const answers: MeterEvent[][] = [];
      for (const subject of subjects) answers.push(await subject.takeEvents());
      return compare('events', answers);
    },
    stop: async () => {
      for (const subject of subjects) await subject.stop();
    },
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
    return [`${path}: ${JSON.stringify(a)} by the first, ${JSON.stringify(b)} by another`];
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
