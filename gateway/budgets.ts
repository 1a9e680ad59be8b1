/**
 * The newest row of every budget that sessions here draw on, and who draws on it. Rows come from the
 * meter's replies and from its channel, in any order; the higher `seq` is the newer (rule 7).
 */
import { type BudgetName, scopeOf } from '../core/meter/budget-name.ts';
import { sourceOf } from '../core/meter/projection.ts';
import type { BudgetRow } from '../core/meter/rows.ts';
import { limitMsOf } from './reading.ts';
import type { LiveSession } from './session.ts';

export interface BudgetsListener {
  /** A newer row. */
  moved(row: BudgetRow): void;
  /**
   * The newer row says something to tell: a threshold, a stop, a limit, a source.
   * `isOtherLimit`: the limit in its readings is another one, which sessions say at once.
   */
  changed(row: BudgetRow, sessions: ReadonlySet<LiveSession>, isOtherLimit: boolean): void;
  /** Nobody here draws on it any more. */
  gone(name: BudgetName): void;
}

export interface Budgets {
  /** Takes rows in; tells the listener of the newer ones. */
  apply(rows: readonly BudgetRow[]): void;
  get(name: BudgetName): BudgetRow | undefined;
  sessionsOn(name: BudgetName): ReadonlySet<LiveSession>;
  names(): Iterable<BudgetName>;
  /** The session draws on exactly these from now on. */
  draw(session: LiveSession, names: readonly BudgetName[]): void;
  /** After a recovery rows are numbered anew: the next one is newer, whatever its number. */
  renumber(isOf: (name: BudgetName) => boolean): void;
}

const NOBODY: ReadonlySet<LiveSession> = new Set();

export function createBudgets(listener: BudgetsListener): Budgets {
  const rows = new Map<BudgetName, BudgetRow>();
  /** rows of an earlier life of their shard: still the best that is known */
  const outdated = new Set<BudgetName>();
  const drawers = new Map<BudgetName, Set<LiveSession>>();

  function leave(session: LiveSession, name: BudgetName): void {
    const on = drawers.get(name);
    on?.delete(session);
    if (on?.size === 0) {
      drawers.delete(name);
      rows.delete(name);
      outdated.delete(name);
      listener.gone(name);
    }
  }

  return {
    apply(newer) {
      for (const row of newer) {
        const sessions = drawers.get(row.name);
        const known = rows.get(row.name);
        if (!sessions) continue;
        if (known && known.seq >= row.seq && !outdated.has(row.name)) continue;
        outdated.delete(row.name);
        rows.set(row.name, row);
        listener.moved(row);
        if (!known || saysMore(known, row)) {
          listener.changed(row, sessions, isOtherLimit(known, row));
        }
      }
    },
    get: (name) => rows.get(name),
    sessionsOn: (name) => drawers.get(name) ?? NOBODY,
    names: () => drawers.keys(),
    draw(session, names) {
      for (const name of [...session.joined.keys()]) {
        if (names.includes(name)) continue;
        session.joined.delete(name);
        leave(session, name);
      }
      for (const name of names) {
        const on = drawers.get(name) ?? new Set();
        on.add(session);
        drawers.set(name, on);
      }
    },
    renumber(isOf) {
      for (const name of rows.keys()) if (isOf(name)) outdated.add(name);
    },
  };
}

function saysMore(known: BudgetRow, row: BudgetRow): boolean {
  return (
    known.version !== row.version ||
    known.stops !== row.stops ||
    known.stoppedAt !== row.stoppedAt ||
    known.crossed.some((version, i) => version !== row.crossed[i]) ||
    known.crossed.length !== row.crossed.length ||
    sourceOf(known) !== sourceOf(row)
  );
}

/**
 * A plan that is written as it was, or with other warnings alone, has a new version and the same limit.
 * A session's own budget begins while it records; its other ones came with `started`.
 */
function isOtherLimit(known: BudgetRow | undefined, row: BudgetRow): boolean {
  if (known === undefined) return scopeOf(row.name) === 'session';
  return known.version !== row.version && limitMsOf(known) !== limitMsOf(row);
}
