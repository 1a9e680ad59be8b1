/**
 * A session as a gateway holds it: what the recorder proved, what the meter acknowledged, who is
 * connected. Data and the small truths about it; what happens to it is in admission, beats, stopping.
 */
import type { BudgetName } from '../core/meter/budget-name.ts';
import type { BeatReply } from '../core/meter/commands.ts';
import type { Epoch, Level, PeriodMark, SessionRow, Witness } from '../core/meter/rows.ts';
import { CloseCode, type CloseName } from '../core/protocol/close-codes.ts';
import type { Binding, EndReason, ProtocolError } from '../core/protocol/messages.ts';
import { packSubject } from './checkpoint.ts';
import type { ToldSource } from './notices.ts';
import { type Stopwatch, wholeMs } from './stopwatch.ts';

/** Ticks whose sending instant is remembered; an answer to an older one proves nothing. */
const REMEMBERED_TICKS = 32;

/** What the plan says of a session. Durations in real ms where the protocol's timing is meant. */
export interface SessionLimits {
  saveWindowMs: number;
  onMeterFailure: 'continue' | 'terminate';
  /** real ms a session goes on without the meter */
  meterFailureMs: number;
  /** whether time that was proven meanwhile is charged afterwards */
  outageTime: 'charge' | 'forgive';
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
  /** in one write; a string is a message's text already */
  send(...messages: (object | string)[]): void;
  close(code: number, reason: string): void;
}

/** Closes a wire, and says before it what happened and what to do: a code alone explains nothing. */
export function dismiss(wire: Wire, name: CloseName, detail: string): void {
  wire.send({ type: 'error', code: name, detail, fatal: true } satisfies ProtocolError);
  wire.close(CloseCode[name], name);
}

export const GOES_ON_ELSEWHERE =
  'Another connection has taken this session over, and it goes on there. Nothing was lost.';

export interface LiveSession {
  readonly id: string;
  readonly org: string;
  readonly user: string;
  readonly startedAt: number;
  readonly trustCaptured: boolean;
  /** all of this, packed for checkpoints */
  readonly subject: string;
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
  told: { warnings: Map<string, { budget: BudgetName; version: number }>; source: ToldSource };
  seq: number;
  /** monotonic instants at which the last ticks were sent, by seq modulo REMEMBERED_TICKS */
  sentAt: number[];
  /** monotonic: when the recorder was last heard */
  heardAt: number;
  /** monotonic: since when the meter has not taken its words; null: it has */
  waitingSince: number | null;
}

export interface NewLiveSession {
  row: SessionRow;
  limits: SessionLimits;
  trustCaptured: boolean;
  stopwatch: Stopwatch;
  at: number;
}

export function createLiveSession(made: NewLiveSession): LiveSession {
  const { row, trustCaptured } = made;
  const { session, org, user, startedAt } = row;
  // Every field by name: with a spread in it each object gets a hidden class of its own, and each
  // access to 2,000 of them goes the engine's slow way.
  return {
    id: session,
    org,
    user,
    startedAt,
    trustCaptured,
    subject: packSubject({ session, org, user, startedAt, trustCaptured }),
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
    told: { warnings: new Map(), source: { source: 'plan', budget: '', version: 0 } },
    seq: 0,
    sentAt: [Number.NaN],
    heardAt: made.at,
    waitingSince: null,
  };
}

function acknowledgedIn(row: SessionRow): LiveSession['acknowledged'] {
  const { totalMs, chargedMs, overshootMs, chargedUpTo } = row;
  return { totalMs, chargedMs, overshootMs, at: chargedUpTo };
}

/**
 * What the meter's row says of it, after it was opened, asserted anew or ended. Totals never fall:
 * where the row knows less, this gateway's memory is the better witness (rule 22).
 */
export function takeRow(session: LiveSession, row: SessionRow): void {
  const { generation, counter } = session.epoch;
  // Words under way are told from those of another owner by this very object.
  const isSame = generation === row.epoch.generation && counter === row.epoch.counter;
  if (!isSame) session.epoch = row.epoch;
  if (row.totalMs < session.acknowledged.totalMs) return;
  session.acknowledged = acknowledgedIn(row);
  session.period = row.period;
  session.marks = row.marks;
}

/** What the meter answered to a word; `at` is the meter instant of the word's total. */
export function takeReply(session: LiveSession, reply: BeatReply, at: number): void {
  const { acknowledged } = session;
  if (reply.totalMs < acknowledged.totalMs) return;
  acknowledged.totalMs = reply.totalMs;
  acknowledged.chargedMs = reply.chargedMs;
  acknowledged.overshootMs = reply.overshootMs;
  acknowledged.at = at;
}

/** The recorder says what it captured so far; what it said before is not taken back. */
export function hearCaptured(session: LiveSession, capturedMs: number | null | undefined): void {
  if (capturedMs === null || capturedMs === undefined) return;
  session.capturedMs = Math.max(session.capturedMs ?? 0, capturedMs);
}

/** Numbers a tick that is sent now. */
export function nextTick(session: LiveSession, at: number): number {
  session.seq += 1;
  // It grows with the first ones: most sessions' ticks need no more than some.
  session.sentAt[session.seq % REMEMBERED_TICKS] = at;
  return session.seq;
}

/** When the tick was sent that this beat answers; NaN where that is not remembered. */
export function sendingOf(session: LiveSession, seq: number): number {
  if (seq > session.seq || seq <= session.seq - REMEMBERED_TICKS) return Number.NaN;
  return session.sentAt[seq % REMEMBERED_TICKS] ?? Number.NaN;
}

export function recorderState(session: LiveSession): Witness['state'] {
  // What the meter was not told goes first: 'detached' leaves it what it knew last.
  if (session.wire === null && session.waitingSince === null) return 'detached';
  return session.stopwatch.isRunning ? 'recording' : 'paused';
}

/**
 * What this gateway's memory can testify (rule 22). Of a detached session, what its recorder did last:
 * nobody else remembers whether it was paused. Stopping stays stopping: it is not projected again.
 */
export function witnessOf(session: LiveSession): Witness {
  const { totalMs, overshootMs, at } = session.acknowledged;
  const { epoch, marks, phase } = session;
  const isRunning = session.stopwatch.isRunning && phase.kind !== 'stopping';
  const state = isOver(session) ? 'detached' : isRunning ? 'recording' : 'paused';
  const untoldMs = untold(session);
  return { epoch, totalMs: totalMs + untoldMs, overshootMs, at: at + untoldMs, state, marks };
}

/** What is proven of an ended session and was never told: no word of it will come any more. */
function untold({ phase, trustCaptured, stopwatch, acknowledged }: LiveSession): number {
  if (phase.kind !== 'ended' || trustCaptured) return 0;
  return Math.max(0, wholeMs(stopwatch) - acknowledged.totalMs);
}

/** Whether `epoch` is of a later owner (rule 15). */
export function isNewer(epoch: Epoch, than: Epoch): boolean {
  if (epoch.generation !== than.generation) return epoch.generation > than.generation;
  return epoch.counter > than.counter;
}

/** What the sweep ends, nobody was told of. */
export function endsUntold(reason: string): boolean {
  return reason === 'disconnected' || reason === 'pausedTooLong';
}

/**
 * Whether a later owner has it, or has ended it and told its recorder how: what was proven here and
 * never told is nobody's then. After a recovery no epoch says so, but only the sweep ends a session
 * that goes on here.
 */
export function isOthers(session: LiveSession, row: SessionRow): boolean {
  if (isNewer(row.epoch, session.epoch)) return true;
  const endsHere = session.phase.kind === 'ending' || session.phase.kind === 'ended';
  return row.state === 'ended' && !endsHere && !endsUntold(row.reason);
}

export function isOver(session: LiveSession): boolean {
  const { kind } = session.phase;
  return kind === 'ended' || kind === 'ending' || kind === 'elsewhere';
}
