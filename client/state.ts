/**
 * What a recorder knows of its session: a value, and a pure function from one value to the next.
 * Everything the client shows comes from here, so everything it shows can be tested without a wire.
 */
import type {
  Action,
  Binding,
  EndReason,
  Expiry,
  ExtraExpires,
  Reading,
  RecorderState,
  RefusalCode,
  SessionEnd,
  Source,
  Summary,
  Threshold,
  WarningScope,
} from '../core/protocol/messages.ts';

/**
 * - `starting`: a ticket, a connection or an answer is awaited
 * - `queued`: the plan's concurrency limit is reached, `started` will follow; `queue` says at which
 *   position it waits (1 is next), and `close()` gives the place up
 * - `recording`, `paused`: live. The connection may be away and coming back (see `connection`)
 * - `stopping`: a stop was said, by either side; the recording is being saved
 * - `ended`: over; `summary` says what it came to, if the server could still tell
 * - `refused`: never started; `refusal` says why
 * - `lost`: the session went on without this recorder, or ended while it was away; see `stop`
 * - `detached`: let go by `close()`; it can be resumed for the resume window
 */
export type Phase =
  | 'idle'
  | 'starting'
  | 'queued'
  | 'recording'
  | 'paused'
  | 'stopping'
  | 'ended'
  | 'refused'
  | 'lost'
  | 'detached';

export type ConnectionState =
  | { is: 'none' }
  | { is: 'connecting'; attempt: number }
  | { is: 'open'; draining: boolean }
  /** Between two attempts; `untilMs` is on the client's monotonic clock. */
  | { is: 'waiting'; attempt: number; untilMs: number; code: number };

export interface KnownWarning {
  id: string;
  threshold: Threshold;
  scope: WarningScope;
  actions: readonly Action[];
}

/** Why recording must stop now. Whoever records stops, and saves what there is. */
export interface StopNotice {
  /** The server's reason, or the name of the close or refusal that ended it without a `stop`. */
  reason: EndReason | RefusalCode | (string & {});
  /** A sentence, where the server gave one. */
  detail: string | null;
  binding: Binding | null;
  /** How long the server waits for `saved`; 0 where it does not. Real time. */
  saveWindowMs: number;
  reading: Reading | null;
  actions: readonly Action[];
}

export interface Refusal {
  code: RefusalCode | (string & {});
  detail: string;
  binding: Binding | null;
  reading: Reading | null;
  actions: readonly Action[];
  /** With `sessionEnded`, where the server knew it. */
  ended?: SessionEnd;
}

export interface MeterState {
  phase: Phase;
  connection: ConnectionState;
  /** What the recorder does, or will do as soon as it is live. */
  recorder: RecorderState;
  session: string | null;
  epoch: number;
  resumed: boolean;
  /** Meter seconds per real second: 1 but for the test clock. Known once it has started. */
  speed: number;
  intervalMs: number;
  timeoutMs: number;
  reading: Reading | null;
  /** When the reading came, on the client's monotonic clock. */
  readAtMs: number;
  /** From where session time runs between readings (projection.ts). */
  anchor: { sessionMs: number; atMs: number; runs: boolean };
  /** Those that hold, oldest first. */
  warnings: readonly KnownWarning[];
  /** The last change of source in this session. */
  source: { from: Source; to: Source } | null;
  /** The next extra minutes to expire; null: none, as far as is known. */
  extraExpires: ExtraExpires | null;
  /** The last word on minutes that expire soon, or did in this session. */
  expiry: Expiry | null;
  stop: StopNotice | null;
  save: 'none' | 'saving' | 'saved' | 'failed';
  endReason: EndReason | null;
  summary: Summary | null;
  refusal: Refusal | null;
  queue: { position: number; retryAfterMs: number } | null;
  /** The last thing that went wrong on the way, in a sentence; null once it works again. */
  problem: string | null;
}

export const initialState: MeterState = {
  phase: 'idle',
  connection: { is: 'none' },
  recorder: 'recording',
  session: null,
  epoch: 0,
  resumed: false,
  speed: 1,
  intervalMs: 0,
  timeoutMs: 0,
  reading: null,
  readAtMs: 0,
  anchor: { sessionMs: 0, atMs: 0, runs: false },
  warnings: [],
  source: null,
  extraExpires: null,
  expiry: null,
  stop: null,
  save: 'none',
  endReason: null,
  summary: null,
  refusal: null,
  queue: null,
  problem: null,
};

/** Started and not over: a lost connection is worth coming back for. */
export function isLive(state: MeterState): boolean {
  return state.phase === 'recording' || state.phase === 'paused' || state.phase === 'stopping';
}

export function isOver(state: MeterState): boolean {
  return state.phase === 'ended' || state.phase === 'refused' || state.phase === 'lost';
}
