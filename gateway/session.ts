/**
 * A session as a gateway holds it: what the recorder proved, what the meter acknowledged, who is
 * connected. Data and the small truths about it; what happens to it is in admission, beats, stopping.
 */
import type { BudgetName } from '../core/meter/budget-name.ts';
import type { BeatReply } from '../core/meter/commands.ts';
import type { Epoch, Level, PeriodMark, SessionRow, Witness } from '../core/meter/rows.ts';
import type { Binding, EndReason, Source, WarningState } from '../core/protocol/messages.ts';
import type { Stopwatch } from './stopwatch.ts';

/** Ticks whose sending instant is remembered; an answer to an older one proves nothing. */
const REMEMBERED_TICKS = 32;

/** What the plan says of a session. Durations in real ms where the protocol's timing is meant. */
export interface SessionLimits {
  saveWindowMs: number;
  onMeterFailure: 'continue' | 'terminate';
  /** real ms a session goes on without the meter */
  meterFailureMs: number;
  /** meter ms; null: no longest length */
  sessionLimitMs: number | null;
  sessionLevels: Level[];
}

/** What a session does now. From stopping on there is no way back. */
export type Phase =
  | { kind: 'recording' }
  | { kind: 'paused' }
  /** sent `stop` with tick `stopSeq`; an answer to it proves time up to `stoppedAt` (monotonic) */
  | { kind: 'stopping'; reason: EndReason; binding: Binding; stopSeq: number; stoppedAt: number }
  | { kind: 'ending'; reason: EndReason }
  | { kind: 'ended' }
  /** goes on under another owner */
  | { kind: 'elsewhere' };

/** The wire to a recorder, as a session needs it. */
export interface Wire {
  send(...messages: object[]): void;
  close(code: number, reason: string): void;
}

export interface LiveSession {
  readonly id: string;
  readonly org: string;
  readonly user: string;
  readonly startedAt: number;
  readonly trustCaptured: boolean;
  readonly limits: SessionLimits;
  epoch: Epoch;
  phase: Phase;
  /** of its end, once it has ended */
  reason: EndReason;
  /** null: detached; another connection may resume it */
  wire: Wire | null;
  stopwatch: Stopwatch;
  /** the least the recorder says it captured, for tickets that trust it; null: never said */
  capturedMs: number | null;
  /** what the meter acknowledged, and the meter instant of it */
  acknowledged: { totalMs: number; chargedMs: number; overshootMs: number; at: number };
  period: number;
  marks: PeriodMark[];
  /** budgets it draws on, and their stops when it joined them */
  joined: Map<BudgetName, number>;
  told: { warnings: Map<string, WarningState>; source: Source };
  seq: number;
  /** monotonic instants at which the last ticks were sent, by seq modulo its length */
  sentAt: Float64Array;
  /** monotonic: when the recorder was last heard */
  heardAt: number;
}

export interface NewLiveSession {
  row: SessionRow;
  limits: SessionLimits;
  trustCaptured: boolean;
  stopwatch: Stopwatch;
  at: number;
}

export function createLiveSession(made: NewLiveSession): LiveSession {
  const { row } = made;
  return {
    id: row.session,
    org: row.org,
    user: row.user,
    startedAt: row.startedAt,
    trustCaptured: made.trustCaptured,
    limits: made.limits,
    epoch: row.epoch,
    reason: 'stopped',
    phase: { kind: row.state === 'paused' ? 'paused' : 'recording' },
    wire: null,
    stopwatch: made.stopwatch,
    capturedMs: null,
    acknowledged: acknowledgedIn(row),
    period: row.period,
    marks: row.marks,
    joined: new Map(),
    told: { warnings: new Map(), source: 'plan' },
    seq: 0,
    sentAt: new Float64Array(REMEMBERED_TICKS).fill(Number.NaN),
    heardAt: made.at,
  };
}

function acknowledgedIn(row: SessionRow): LiveSession['acknowledged'] {
  const { totalMs, chargedMs, overshootMs, chargedUpTo } = row;
  return { totalMs, chargedMs, overshootMs, at: chargedUpTo };
}

/** What the meter's row says of it, after it was opened or asserted anew. */
export function takeRow(session: LiveSession, row: SessionRow): void {
  session.epoch = row.epoch;
  session.acknowledged = acknowledgedIn(row);
  session.period = row.period;
  session.marks = row.marks;
}

/** What the meter answered to a word; `at` is the meter instant of the word's total. */
export function takeReply(session: LiveSession, reply: BeatReply, at: number): void {
  const { totalMs, chargedMs, overshootMs } = reply;
  session.acknowledged = { totalMs, chargedMs, overshootMs, at };
}

/** Numbers a tick that is sent now. */
export function nextTick(session: LiveSession, at: number): number {
  session.seq += 1;
  session.sentAt[session.seq % session.sentAt.length] = at;
  return session.seq;
}

/** When the tick was sent that this beat answers; NaN where that is not remembered. */
export function sendingOf(session: LiveSession, seq: number): number {
  if (seq > session.seq || seq <= session.seq - session.sentAt.length) return Number.NaN;
  return session.sentAt[seq % session.sentAt.length] ?? Number.NaN;
}

export function recorderState(session: LiveSession): Witness['state'] {
  if (session.wire === null) return 'detached';
  return session.stopwatch.isRunning ? 'recording' : 'paused';
}

/** What this gateway's memory can testify (rule 22). */
export function witnessOf(session: LiveSession): Witness {
  const { totalMs, overshootMs, at } = session.acknowledged;
  const { epoch, marks } = session;
  return { epoch, totalMs, overshootMs, at, state: recorderState(session), marks };
}

export function isOver(session: LiveSession): boolean {
  const { kind } = session.phase;
  return kind === 'ended' || kind === 'ending' || kind === 'elsewhere';
}
