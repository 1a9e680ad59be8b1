/**
 * The messages of `taximeter.v1`, as README.md beside this file describes them. Durations are
 * integer milliseconds (`…Ms`), instants epoch milliseconds (`…At`). Imports nothing but its
 * neighbours, so that browser and server read one and the same file.
 */
export const SUBPROTOCOL = 'taximeter.v1';
/** A ticket may travel as a second subprotocol with this prefix. Never in the URL. */
export const TICKET_SUBPROTOCOL_PREFIX = 'ticket.';

export type Binding =
  | 'organization'
  | 'member'
  | 'session'
  | 'concurrency'
  | 'day'
  | 'feature'
  | 'plan';

/** Where a metered second is drawn from. */
export type Source = 'plan' | 'extra' | 'overage';

/** What the meter says of the binding budget at one instant. `null` limit = unlimited. */
export interface Reading {
  binding: Binding;
  /** What the meter acknowledged of this session: charged + overshoot. */
  sessionMs: number;
  usedMs: number;
  /** used + remaining; null = unlimited */
  limitMs: number | null;
  remainingMs: number | null;
  /** Of the plan quota; 100 for a quota of 0, 0 when unlimited. May pass 100 on extra minutes. */
  percent: number;
  source: Source;
  extraRemainingMs: number;
  /** Metered seconds per second on the binding budget: how many sessions record on it now. */
  burnRate: number;
  /** When the budget runs out at the present burn rate; null = not in sight. */
  endsAt: number | null;
  periodEndsAt: number | null;
  at: number;
}

export type Threshold = { percent: number } | { remainingMs: number };
export type WarningScope = 'organization' | 'member' | 'session' | 'extra';

export interface Action {
  type: 'buyExtraMinutes' | 'upgrade' | 'askAdmin' | 'wait';
  url?: string;
  package?: string;
  until?: number;
}

/** Extra minutes with an end: when it is, and what was left of them as last settled. */
export interface ExtraExpires {
  at: number;
  ms: number;
}

/** A warning that holds now; clients deduplicate by `id`. */
export interface WarningState {
  id: string;
  threshold: Threshold;
  scope: WarningScope;
}

/** Why a session ended or was stopped. */
export type EndReason =
  | 'stopped'
  | 'limitReached'
  | 'sessionLimit'
  | 'stoppedByOperator'
  | 'organizationSuspended'
  | 'disconnected'
  | 'pausedTooLong'
  | 'meterUnavailable'
  | 'badMessage';

export interface Summary {
  recordedMs: number;
  overshootMs: number;
  /** As known now; final once settled. */
  bySource: { planMs: number; extraMs: number; overageMs: number };
  startedAt: number;
  endedAt: number;
}

export type RecorderState = 'recording' | 'paused';

// Client → server
export interface Start {
  type: 'start';
  ticket?: string;
  session?: string;
  plannedMs?: number;
  metadata?: Record<string, string>;
}
export interface Resume {
  type: 'resume';
  session: string;
  checkpoint?: string;
  ticket?: string;
  capturedMs?: number;
}
export interface Beat {
  type: 'beat';
  seq: number;
  state?: RecorderState;
  capturedMs?: number;
}
export interface Stop {
  type: 'stop';
  capturedMs?: number;
  reason?: string;
}
export interface Saved {
  type: 'saved';
  ok: boolean;
  capturedMs?: number;
  detail?: string;
}
export type ClientMessage = Start | Resume | Beat | Stop | Saved;

// Server → client
export interface Started {
  type: 'started';
  session: string;
  epoch: number;
  resumed: boolean;
  state: RecorderState;
  intervalMs: number;
  timeoutMs: number;
  saveWindowMs: number;
  checkpoint: string;
  reading: Reading;
  warnings: WarningState[];
  /** Meter seconds per real second: 1 but for the test clock. */
  speed?: number;
  /** The next extra minutes to expire, as far as the gateway knows; null: none. */
  extraExpires?: ExtraExpires | null;
}
export interface Tick {
  type: 'tick';
  seq: number;
  reading: Reading;
  checkpoint: string;
}
export interface Warning extends WarningState {
  type: 'warning';
  reading: Reading;
  actions: Action[];
}
export interface Recovered {
  type: 'recovered';
  id: string;
  reading: Reading;
}
export interface SourceChanged {
  type: 'source';
  from: Source;
  to: Source;
  reading: Reading;
}
/** Of extra minutes that expire. `changed` only says what is next. */
export interface Expiry {
  type: 'expiry';
  /** unique per lot and notice; clients deduplicate by it */
  id: string;
  notice: 'changed' | 'day' | 'minutes' | 'expired';
  /** the next to expire from now on; of `day` and `minutes`: those it tells of */
  extraExpires: ExtraExpires | null;
  /** with `expired`: those that are gone */
  expired?: ExtraExpires;
}
export interface Stopping {
  type: 'stop';
  reason: EndReason;
  binding: Binding;
  saveWindowMs: number;
  reading: Reading;
  actions: Action[];
}
/** How a session ended: why, and what was metered of it. */
export interface SessionEnd {
  reason: EndReason;
  summary: Summary;
}
export interface Ended extends SessionEnd {
  type: 'ended';
  session: string;
  checkpoint: string;
}
/** Why a start or resume was refused; the HTTP API uses the same codes. */
export type RefusalCode =
  | 'limitReached'
  | 'plannedTooLong'
  | 'concurrencyLimit'
  | 'ticketInvalid'
  | 'ticketStale'
  | 'organizationUnknown'
  | 'organizationSuspended'
  | 'sessionEnded'
  | 'sessionUnknown'
  | 'sessionInvalid'
  | 'checkpointInvalid'
  | 'featureNotAllowed'
  | 'meterUnavailable';
export interface Refused {
  type: 'refused';
  code: RefusalCode;
  /** A sentence that says what happened and what to do. */
  detail: string;
  binding?: Binding;
  reading?: Reading;
  actions: Action[];
  /** With `sessionEnded`, where it is known: for a recorder whose `ended` was lost on the way. */
  ended?: SessionEnd;
}
export interface Queued {
  type: 'queued';
  position: number;
  retryAfterMs: number;
}
export interface Draining {
  type: 'draining';
  retryAfterMs: number;
}
export interface ProtocolError {
  type: 'error';
  code: string;
  detail: string;
  fatal: boolean;
}
export type ServerMessage =
  | Started
  | Tick
  | Warning
  | Recovered
  | SourceChanged
  | Expiry
  | Stopping
  | Ended
  | Refused
  | Queued
  | Draining
  | ProtocolError;
