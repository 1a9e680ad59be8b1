/**
 * The figures of the meter as they travel: budgets, sessions, witnesses, events. Every duration is
 * integer meter milliseconds, every instant an epoch millisecond of meter time. decode.ts reads them
 * from the scripts' replies.
 */
import type { BudgetName } from './budget-name.ts';

/** Fencing number of a session's owner (rule 15). Compared generation first. */
export interface Epoch {
  generation: number;
  counter: number;
}

/** Where a session's charged time stood when a period began for it. Sorted, the first is its start. */
export interface PeriodMark {
  period: number;
  chargedMs: number;
}

/** 0 stop at the limit · 1 overage · 2 shadow: decide and record, enforce nothing */
export const LimitMode = { stop: 0, overage: 1, shadow: 2 } as const;
export type LimitMode = (typeof LimitMode)[keyof typeof LimitMode];

/**
 * A level at which a warning is due: a positive number is percent of the plan quota (80), a
 * negative one what remains, in ms (−600000: ten minutes left). Percent first, each descending in
 * what remains, so that two crossed in one step are told in order.
 */
export type Level = number;

/** A budget as the meter sees it at one instant. A higher `seq` is the newer one. */
export interface BudgetRow {
  name: BudgetName;
  seq: number;
  /** null = unlimited */
  quotaMs: number | null;
  /** the higher of the quota's and the grant's version from Postgres */
  version: number;
  mode: LimitMode;
  startsAt: number;
  /** null: a session's own budget has no end */
  endsAt: number | null;
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  /** null = unlimited; counts plan, extra minutes and what is left of a cap on overage */
  remainingMs: number | null;
  /** organization only: max(0, granted − drawn), of all periods */
  extraRemainingMs: number;
  /** n: sessions recording on it; s: the sum of (F − startsAt) over them */
  burnRate: number;
  frontierSumMs: number;
  /** how often it has stopped its sessions; rises with each stop */
  stops: number;
  /** 0: not stopped */
  stoppedAt: number;
  stopReason: StopReason;
  levels: Level[];
  /** per level: 0, or the version at which it was crossed */
  crossed: number[];
}

export type StopReason = '' | 'limitReached' | 'organizationSuspended' | 'stoppedByOperator';

/** Whose limit on sessions decides. */
export type LimitedBy = 'organization' | 'member';

/** recording and stalled count time; only recording is in n and s. */
export type SessionState = 'recording' | 'paused' | 'detached' | 'stalled' | 'ended';

export interface SessionRow {
  session: string;
  org: string;
  user: string;
  epoch: Epoch;
  state: SessionState;
  /** charged + overshoot: what the recorder may be told */
  totalMs: number;
  chargedMs: number;
  overshootMs: number;
  /** F: the instant up to which it has been charged */
  chargedUpTo: number;
  lastAnswerAt: number;
  startedAt: number;
  /** 0: not ended */
  endedAt: number;
  reason: string;
  /** name of the budget that stopped it, `session` for an operator's stop, '' if none did */
  stoppedBy: string;
  period: number;
  marks: PeriodMark[];
  /** as split live; the ledger decides */
  bySource: { planMs: number; extraMs: number; overageMs: number };
  /** fields of it that wait in the unsettled set */
  unsettled: number;
}

/** What a checkpoint or a gateway's memory says of a session (rules 22, 23). */
export interface Witness {
  epoch: Epoch;
  totalMs: number;
  overshootMs: number;
  /** the instant of the total */
  at: number;
  state: 'recording' | 'paused' | 'detached';
  marks: PeriodMark[];
}

/** Beside a checkpoint's witness: what was proven since, and the meter could not be told (rule 23). */
export interface Untold {
  ms: number;
  /** the instant up to which it was proven */
  at: number;
  /** it is overshoot: the plan forgives what is recorded without the meter */
  isForgiven: boolean;
}

/** What Postgres knows of a session that Redis does not (rule 16). Zeros when it knows nothing. */
export interface LedgerBase {
  startedAt: number;
  ended: boolean;
  reason: string;
  overshootMs: number;
  /** settled time by period, cumulative as in a session's marks; never empty */
  marks: PeriodMark[];
  chargedMs: number;
  /** what `chargedMs` was charged to; left out where that is 0 */
  bySource?: { planMs: number; extraMs: number; overageMs: number };
}

/** What the meter says on its channel, for gateways that did not ask. Losing one costs nothing. */
export type MeterEvent =
  | { kind: 'budget'; row: BudgetRow }
  /** an operator's stop of one session */
  | { kind: 'stop'; org: string; session: string }
  | { kind: 'superseded'; org: string; session: string; epoch: Epoch }
  /** the ledger has all of an ended session */
  | { kind: 'retired'; org: string; session: string }
  | { kind: 'recovered'; shard: number; generation: number };
