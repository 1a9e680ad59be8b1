/**
 * One timer a budget, at its next deadline (rules 4, 6 and 7 of core/meter/README.md). A projection
 * only wakes: at a threshold's instant the budget's sessions are ticked and their answers cross it;
 * before a stop they are probed, and the meter decides whether T still stands.
 */
import type { BudgetName } from '../core/meter/budget-name.ts';
import type { DeadlineReply } from '../core/meter/commands.ts';
import { deadlinesOf } from '../core/meter/projection.ts';
import type { BudgetRow } from '../core/meter/rows.ts';
import type { MeterTime } from './meter-time.ts';

/** Rule 6; real ms. */
export const PROBE_AHEAD_MS = 1_000;
const PAST_TICK_AGAIN_MS = 1_000;
const STOP_AGAIN_MS = 20;
/** The meter did not say: it is away, or has lost the budget. */
const UNANSWERED_AGAIN_MS = 1_000;
/** The answers to a tick are in by then, or nearly; what they move is worth waiting for. */
const TICK_SPACING_MS = 20;
/** And the more there are, the longer it takes: ticking two hundred twice would only delay them. */
const TICK_SPACING_A_SESSION_MS = 0.3;
/** However many: a level that has truly moved is not left for longer. */
const MAX_TICK_SPACING_MS = 200;
/** Totals and instants are floored to the millisecond: this much later they have surely arrived. */
const ROUNDING_MS = 2;
/** setTimeout fires at once beyond 2^31 − 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Armed {
  row: BudgetRow;
  timer: NodeJS.Timeout | null;
  /** monotonic instant for which the timer is set */
  dueAt: number;
  /** when its sessions were last ticked for a deadline, monotonic */
  tickedAt: number;
  /** the meter is not asked for a stop before this, monotonic */
  askAgainAt: number;
  isAsking: boolean;
}

export interface DeadlinesOptions {
  time: MeterTime;
  monotonicMs(): number;
  /** Ticks every session here that draws on the budget. */
  tickAll(name: BudgetName): void;
  /** null: the meter could not be asked */
  ask(row: BudgetRow): Promise<DeadlineReply | null>;
  apply(rows: BudgetRow[]): void;
  failed(error: unknown): void;
}

export interface Deadlines {
  moved(row: BudgetRow): void;
  gone(name: BudgetName): void;
  stop(): Promise<void>;
}

function spacingMs({ burnRate }: BudgetRow): number {
  const spacing = TICK_SPACING_MS + burnRate * TICK_SPACING_A_SESSION_MS;
  return Math.min(MAX_TICK_SPACING_MS, spacing);
}

export function createDeadlines(options: DeadlinesOptions): Deadlines {
  const { time, monotonicMs } = options;
  const budgets = new Map<BudgetName, Armed>();
  let isStopped = false;

  /** The monotonic instant at which the budget's sessions must next be ticked, and asked to stop. */
  function plan(armed: Armed): { tickAt: number; stopAt: number } {
    const now = monotonicMs();
    const { tickAt, stopAt } = deadlinesOf(armed.row);
    const monotonicAt = (at: number) => now + time.realMsTo(at);
    let tick = Number.POSITIVE_INFINITY;
    if (tickAt !== null) {
      tick = monotonicAt(tickAt) + ROUNDING_MS;
      // It was ticked for already, and somebody has not answered.
      if (tick <= armed.tickedAt) tick = armed.tickedAt + PAST_TICK_AGAIN_MS;
      else tick = Math.max(tick, armed.tickedAt + spacingMs(armed.row));
    }
    const { endsAt } = armed.row;
    const hasEnded = endsAt !== null && time.now() >= endsAt;
    if (stopAt === null || hasEnded) return { tickAt: tick, stopAt: Number.POSITIVE_INFINITY };
    const stop = monotonicAt(stopAt) + 1;
    const isProbed = armed.tickedAt >= stop - PROBE_AHEAD_MS - ROUNDING_MS;
    const probe = Math.max(stop - PROBE_AHEAD_MS, armed.tickedAt + TICK_SPACING_MS);
    if (!isProbed) tick = Math.min(tick, probe);
    return { tickAt: tick, stopAt: Math.max(stop, armed.askAgainAt) };
  }

  function arm(armed: Armed): void {
    const { tickAt, stopAt } = plan(armed);
    const dueAt = Math.min(tickAt, armed.isAsking ? Number.POSITIVE_INFINITY : stopAt);
    // A timer that fires early looks again: moving it to a later instant is not worth its cost.
    if (armed.timer && armed.dueAt <= dueAt) return;
    if (armed.timer) clearTimeout(armed.timer);
    armed.timer = null;
    armed.dueAt = dueAt;
    if (dueAt === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(0, Math.ceil(dueAt - monotonicMs())), MAX_TIMER_MS);
    armed.timer = setTimeout(fire, delay, armed);
  }

  function fire(armed: Armed): void {
    armed.timer = null;
    const now = monotonicMs();
    const { tickAt, stopAt } = plan(armed);
    if (tickAt <= now) {
      armed.tickedAt = now;
      options.tickAll(armed.row.name);
    }
    if (stopAt <= now && !armed.isAsking) void askToStop(armed).catch(options.failed);
    arm(armed);
  }

  /**
   * Servers of a cluster have a clock each, and ours follows the one that is ahead: real ms until it
   * is T on the clock of the one that answered.
   */
  function behindMs({ now, budget }: { now: number; budget: BudgetRow }): number {
    const { stopAt } = deadlinesOf(budget);
    return stopAt === null ? 0 : Math.min(time.now() - now, stopAt - now) / time.speed;
  }

  async function askToStop(armed: Armed): Promise<void> {
    armed.isAsking = true;
    armed.askAgainAt = monotonicMs() + UNANSWERED_AGAIN_MS;
    try {
      const reply = await options.ask(armed.row);
      if (reply === null || !('budget' in reply)) return;
      armed.askAgainAt = monotonicMs() + Math.max(STOP_AGAIN_MS, behindMs(reply));
      options.apply([reply.budget]);
    } finally {
      armed.isAsking = false;
      if (budgets.get(armed.row.name) === armed) arm(armed);
    }
  }

  return {
    moved(row) {
      if (isStopped) return;
      let armed = budgets.get(row.name);
      if (!armed) {
        const never = Number.NEGATIVE_INFINITY;
        armed = { row, timer: null, dueAt: 0, tickedAt: never, askAgainAt: never, isAsking: false };
        budgets.set(row.name, armed);
      }
      armed.row = row;
      arm(armed);
    },
    gone(name) {
      const armed = budgets.get(name);
      if (armed?.timer) clearTimeout(armed.timer);
      budgets.delete(name);
    },
    async stop() {
      isStopped = true;
      for (const { timer } of budgets.values()) if (timer) clearTimeout(timer);
      budgets.clear();
    },
  };
}
