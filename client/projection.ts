/**
 * What holds between two readings: a tick is seconds old, and what a person looks at should move.
 * Pure. It informs, it never decides: warnings and stops come from the server alone.
 */
import type { MeterState } from './state.ts';

/** All of it meter time, as in a reading. */
export interface Projection {
  /** The instant this is of; null before the first reading. */
  at: number | null;
  sessionMs: number;
  usedMs: number;
  limitMs: number | null;
  remainingMs: number | null;
  /** Of the plan quota. */
  percent: number;
  extraRemainingMs: number;
  burnRate: number;
  /** The deadline at the present burn rate, and how far it is; null = not in sight. */
  endsAt: number | null;
  endsInMs: number | null;
}

/**
 * Silence beyond interval + timeout is not counted by the meter (core/protocol/README.md, Timing):
 * from there on the session's time stands still here too.
 */
function sinceMs(state: MeterState, fromMs: number, nowMs: number): number {
  const countedUntilMs = state.readAtMs + state.intervalMs + state.timeoutMs;
  return Math.max(0, Math.min(nowMs, countedUntilMs) - fromMs) * state.speed;
}

/**
 * Session time. A reading's `sessionMs` is what was proven, up to a whole interval ago; so it is
 * taken where it is exact, at `started`, and the recorder's clock goes on from there.
 */
export function sessionMsAt(state: MeterState, nowMs: number): number {
  if (state.summary !== null) return state.summary.recordedMs;
  const { anchor } = state;
  const ranMs = anchor.runs ? sinceMs(state, anchor.atMs, nowMs) : 0;
  return Math.max(anchor.sessionMs + ranMs, state.reading?.sessionMs ?? 0);
}

/** Length of the plan quota, from what a reading says of it; null where it does not tell. */
function quotaMsOf(state: MeterState): number | null {
  const reading = state.reading!;
  const ofPlan = reading.binding === 'organization' || reading.binding === 'member';
  if (!ofPlan || reading.source !== 'plan' || reading.remainingMs === null) return null;
  if (reading.percent >= 100) return null;
  const planRemainingMs = reading.remainingMs - reading.extraRemainingMs;
  return planRemainingMs > 0 ? planRemainingMs / (1 - reading.percent / 100) : null;
}

/**
 * Stopped because nothing was left: what the meter had not charged yet is gone all the same. A tick in
 * the save window may come before the last piece is charged; minutes that come in it raise the limit.
 */
function isUsedUp({ stop, reading }: MeterState): boolean {
  if (stop === null || stop.reading === null || reading === null) return false;
  const { binding, limitMs } = stop.reading;
  if (binding !== reading.binding || limitMs !== reading.limitMs) return false;
  return stop.reason === 'limitReached' || stop.reason === 'sessionLimit';
}

const NOTHING: Projection = {
  at: null,
  sessionMs: 0,
  usedMs: 0,
  limitMs: null,
  remainingMs: null,
  percent: 0,
  extraRemainingMs: 0,
  burnRate: 0,
  endsAt: null,
  endsInMs: null,
};

/** `nowMs` on the client's monotonic clock. */
export function project(state: MeterState, nowMs: number): Projection {
  const reading = state.reading;
  if (reading === null) return NOTHING;
  const moves = state.phase === 'recording' || state.phase === 'paused';
  // Once stopped, all of it stands where it stood at that moment.
  const passedMs = sinceMs(state, state.readAtMs, moves ? nowMs : state.anchor.atMs);
  const at = reading.at + passedMs;
  const { endsAt, burnRate } = reading;

  // The deadline knows what all sessions of the budget recorded since they were last charged; the
  // remainder does not. Where there is one, the remainder is what leads up to it.
  let spentMs = burnRate * passedMs;
  if (reading.remainingMs !== null) {
    if (isUsedUp(state)) spentMs = reading.remainingMs;
    else if (endsAt !== null && burnRate > 0)
      spentMs = reading.remainingMs - burnRate * (endsAt - at);
    spentMs = Math.max(0, Math.min(spentMs, reading.remainingMs));
  }
  const quotaMs = quotaMsOf(state);
  const percent =
    quotaMs === null ? reading.percent : Math.min(100, reading.percent + (100 * spentMs) / quotaMs);
  return {
    at,
    sessionMs: sessionMsAt(state, nowMs),
    usedMs: reading.usedMs + spentMs,
    limitMs: reading.limitMs,
    remainingMs: reading.remainingMs === null ? null : reading.remainingMs - spentMs,
    percent,
    extraRemainingMs:
      reading.source === 'extra'
        ? Math.max(0, reading.extraRemainingMs - spentMs)
        : reading.extraRemainingMs,
    burnRate,
    endsAt,
    endsInMs: endsAt === null ? null : Math.max(0, endsAt - at),
  };
}
