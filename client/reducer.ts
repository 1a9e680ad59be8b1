/** From one state to the next. Pure: the instants are in the events. */
import type {
  Reading,
  RecorderState,
  ServerMessage,
  SessionEnd,
} from '../core/protocol/messages.ts';
import { sessionMsAt } from './projection.ts';
import { initialState, type MeterState, type Refusal, type StopNotice } from './state.ts';

export type MeterEvent =
  | { type: 'requested'; session: string }
  | { type: 'connecting'; attempt: number }
  | { type: 'opened' }
  | { type: 'waiting'; attempt: number; untilMs: number; code: number }
  | { type: 'message'; message: ServerMessage; nowMs: number }
  | { type: 'recorder'; recorder: RecorderState; nowMs: number }
  /** The recorder's own wish to stop. */
  | { type: 'stopping'; nowMs: number }
  | { type: 'saving' }
  | { type: 'saved'; ok: boolean }
  | { type: 'refused'; refusal: Refusal }
  /** `ended`: where the server knew how it ended. */
  | { type: 'lost'; stop: StopNotice; ended?: SessionEnd; nowMs: number }
  /** Stopped, and the connection closed before the server could say `ended`; it may have said it since. */
  | { type: 'over'; ended?: SessionEnd }
  | { type: 'detached'; nowMs: number }
  | { type: 'problem'; detail: string };

export function reduce(state: MeterState, event: MeterEvent): MeterState {
  switch (event.type) {
    case 'requested':
      return {
        ...initialState,
        phase: 'starting',
        // A recorder may be paused before it is first live; one that is over says nothing of the next.
        recorder:
          state.phase === 'idle' || state.phase === 'detached' ? state.recorder : 'recording',
        session: event.session,
        speed: state.speed,
      };
    case 'connecting':
      return { ...state, connection: { is: 'connecting', attempt: event.attempt } };
    case 'opened':
      return { ...state, connection: { is: 'open', draining: false } };
    case 'waiting': {
      const { attempt, untilMs, code } = event;
      return { ...state, connection: { is: 'waiting', attempt, untilMs, code } };
    }
    case 'message':
      return hear(state, event.message, event.nowMs);
    case 'recorder': {
      const phase =
        state.phase === 'recording' || state.phase === 'paused' ? event.recorder : state.phase;
      const next = { ...state, phase, recorder: event.recorder };
      return phase === state.phase ? next : anchored(next, event.nowMs, phase === 'recording');
    }
    case 'stopping':
      return anchored({ ...state, phase: 'stopping' }, event.nowMs, false);
    case 'saving':
      return { ...state, save: 'saving' };
    case 'saved':
      return { ...state, save: event.ok ? 'saved' : 'failed' };
    case 'refused': {
      const reading = event.refusal.reading ?? state.reading;
      const next = { ...state, phase: 'refused', connection: { is: 'none' } } as const;
      return { ...next, refusal: event.refusal, reading, queue: null };
    }
    case 'lost': {
      const next = { ...over(state, event.ended), phase: 'lost' } as const;
      return anchored({ ...next, stop: state.stop ?? event.stop }, event.nowMs, false);
    }
    case 'over':
      return over(state, event.ended);
    case 'detached':
      return anchored(
        { ...state, phase: 'detached', connection: { is: 'none' }, queue: null },
        event.nowMs,
        false,
      );
    case 'problem':
      return { ...state, problem: event.detail };
  }
}

/** Session time up to now is kept; from here on it runs or stands. */
function anchored(state: MeterState, nowMs: number, runs: boolean): MeterState {
  return { ...state, anchor: { sessionMs: sessionMsAt(state, nowMs), atMs: nowMs, runs } };
}

function over(state: MeterState, ended?: SessionEnd): MeterState {
  const next = { ...state, phase: 'ended', connection: { is: 'none' } } as const;
  return ended === undefined ? next : { ...next, endReason: ended.reason, summary: ended.summary };
}

function read(state: MeterState, reading: Reading, nowMs: number): MeterState {
  return { ...state, reading, readAtMs: nowMs };
}

function hear(state: MeterState, message: ServerMessage, nowMs: number): MeterState {
  switch (message.type) {
    case 'started': {
      // The whole state: a warning that is absent no longer holds, one we knew keeps its actions.
      const warnings = message.warnings.map(
        (warning) =>
          state.warnings.find(({ id }) => id === warning.id) ?? { ...warning, actions: [] },
      );
      const phase = state.phase === 'stopping' ? state.phase : state.recorder;
      return {
        ...read(state, message.reading, nowMs),
        phase,
        session: message.session,
        epoch: message.epoch,
        resumed: message.resumed,
        speed: message.speed ?? state.speed,
        intervalMs: message.intervalMs,
        timeoutMs: message.timeoutMs,
        anchor: {
          sessionMs: message.reading.sessionMs,
          atMs: nowMs,
          runs: phase === 'recording',
        },
        warnings,
        extraExpires: message.extraExpires ?? null,
        queue: null,
        problem: null,
      };
    }
    case 'tick':
      return read(state, message.reading, nowMs);
    case 'warning': {
      const { id, threshold, scope, actions } = message;
      const others = state.warnings.filter((known) => known.id !== id);
      const warnings = [...others, { id, threshold, scope, actions }];
      return { ...read(state, message.reading, nowMs), warnings };
    }
    case 'recovered': {
      const warnings = state.warnings.filter(({ id }) => id !== message.id);
      return { ...read(state, message.reading, nowMs), warnings };
    }
    case 'source': {
      const { from, to } = message;
      return { ...read(state, message.reading, nowMs), source: { from, to } };
    }
    case 'expiry': {
      const { extraExpires } = message;
      // Repeated after a resume it is the same notice.
      const isNews = message.notice !== 'changed' && message.id !== state.expiry?.id;
      return { ...state, extraExpires, expiry: isNews ? message : state.expiry };
    }
    case 'stop': {
      const { reason, binding, saveWindowMs, reading, actions } = message;
      const stop = { reason, detail: null, binding, saveWindowMs, reading, actions };
      const next = anchored(read(state, reading, nowMs), nowMs, false);
      // Repeated after a resume: it is the same stop.
      return { ...next, phase: 'stopping', stop: state.stop ?? stop };
    }
    case 'ended': {
      return over(state, message);
    }
    case 'queued': {
      const { position, retryAfterMs } = message;
      return { ...state, phase: 'queued', queue: { position, retryAfterMs } };
    }
    case 'draining':
      return state.connection.is === 'open'
        ? { ...state, connection: { is: 'open', draining: true } }
        : state;
    case 'error':
      return { ...state, problem: message.detail };
    // What follows from a refusal (a new ticket, or the end) is decided by the client.
    case 'refused':
      return state;
  }
}
