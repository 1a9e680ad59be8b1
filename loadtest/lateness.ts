/** How late warnings and stops came, at the client, after their true instant (oracle.ts). */
import { crossingMs, isAwayAt, isLiveAt, unstoppedSpans } from './oracle.ts';
import type { RecorderLog } from './recorder-log.ts';
import { type Spread, spreadOf } from './statistics.ts';

export const STOP = 'stop';
/** Percent of the plan at which every plan of a load test warns. */
export const PERCENT_LEVELS = [80, 90, 100] as const;

export interface Lateness {
  org: string;
  session: string;
  gateway: string;
  /** `80`, `90`, `100` percent, or `stop` */
  what: string;
  trueMs: number;
  /** negative: it came before the recorders' own clocks had reached it */
  lateMs: number;
  /**
   * A recorder of the budget was without a connection then. It records on, and the meter learns of
   * that only when it is back: nobody could have stopped the others at the true instant.
   */
  isDisturbed: boolean;
}

export interface Crossing {
  org: string;
  what: string;
  trueMs: number;
  isDisturbed: boolean;
}

export interface Budget {
  org: string;
  quotaMs: number | null;
  logs: readonly RecorderLog[];
}

/** The levels of a plan, in the order of their crossing. */
function levelsOf(quotaMs: number): { what: string; usedMs: number }[] {
  return [
    ...PERCENT_LEVELS.map((percent) => ({
      what: String(percent),
      usedMs: Math.ceil((percent * quotaMs) / 100),
    })),
    { what: STOP, usedMs: quotaMs },
  ];
}

/** Levels that were truly reached. */
export function crossingsOf({ org, quotaMs, logs }: Budget): Crossing[] {
  if (quotaMs === null) return [];
  const spans = logs.flatMap(unstoppedSpans);
  return levelsOf(quotaMs).flatMap(({ what, usedMs }) => {
    const trueMs = crossingMs(spans, usedMs);
    if (trueMs === null) return [];
    return [{ org, what, trueMs, isDisturbed: logs.some((log) => isAwayAt(log, trueMs)) }];
  });
}

/** When it heard of it; null: not at all, or only with `started`, which tells of what was before. */
function heard(log: RecorderLog, what: string): { atMs: number; gateway: string } | null {
  if (what === STOP) return log.stop?.reason === 'limitReached' ? log.stop : null;
  const isIt = (it: RecorderLog['warnings'][number]) =>
    it.scope === 'organization' && String(it.level) === what && it.by === 'warning';
  return log.warnings.find(isIt) ?? null;
}

export function latenessOf(budget: Budget): Lateness[] {
  return crossingsOf(budget).flatMap(({ org, what, trueMs, isDisturbed }) =>
    budget.logs.flatMap((log) => {
      const arrival = heard(log, what);
      if (arrival === null) return [];
      const { atMs, gateway } = arrival;
      const wasAway = isAwayAt(log, Math.min(trueMs, atMs), Math.max(trueMs, atMs));
      return [
        {
          ...{ org, session: log.session, gateway, what, trueMs },
          lateMs: atMs - trueMs,
          isDisturbed: isDisturbed || wasAway,
        },
      ];
    }),
  );
}

/** A recorder that is still there so long after a crossing has heard of it, or never will. */
const TELLING_MS = 2_000;

export interface Untold {
  org: string;
  session: string;
  what: string;
}

/** Who was connected when a level was crossed, stayed, and was never told. */
export function untoldOf(budget: Budget): Untold[] {
  return crossingsOf(budget).flatMap(({ org, what, trueMs }) =>
    budget.logs
      .filter((log) => isLiveAt(log, trueMs) && isLiveAt(log, trueMs + TELLING_MS))
      .filter((log) => !isAwayAt(log, trueMs, trueMs + TELLING_MS) && !knows(log, what))
      .map((log) => ({ org, session: log.session, what })),
  );
}

function knows(log: RecorderLog, what: string): boolean {
  if (what === STOP) return log.stop !== null;
  return log.warnings.some((it) => it.scope === 'organization' && String(it.level) === what);
}

/** Who was told of a level that its organization never reached. */
export function falselyToldOf(budget: Budget): Untold[] {
  const reached = new Set(crossingsOf(budget).map(({ what }) => what));
  return budget.logs.flatMap((log) => {
    const told = log.warnings
      .filter(({ scope, level }) => scope === 'organization' && level > 0)
      .map(({ level }) => String(level));
    if (log.stop?.reason === 'limitReached') told.push(STOP);
    return [...new Set(told)]
      .filter((what) => !reached.has(what))
      .map((what) => ({ org: budget.org, session: log.session, what }));
  });
}

export interface LatenessSummary {
  what: string;
  /** every recorder of the budget was connected at the true instant */
  connected: Spread | null;
  /** one of them was away */
  disturbed: Spread | null;
}

export function summarizeLateness(all: readonly Lateness[]): LatenessSummary[] {
  return [...PERCENT_LEVELS.map(String), STOP].map((what) => {
    const of = (isDisturbed: boolean) =>
      all.filter((it) => it.what === what && it.isDisturbed === isDisturbed).map((it) => it.lateMs);
    return { what, connected: spreadOf(of(false)), disturbed: spreadOf(of(true)) };
  });
}
