/**
 * How a session comes to its end: by its recorder's word, at a limit, by an operator; the save
 * window between a forced stop and the end, and the last word to the meter (rules 6, 16, 18).
 */
import { parseBudgetName } from '../core/meter/budget-name.ts';
import type { CloseReply } from '../core/meter/commands.ts';
import type { RedisMeter } from '../core/meter/meter.ts';
import type { BudgetRow, SessionRow } from '../core/meter/rows.ts';
import { CloseCode, type CloseName } from '../core/protocol/close-codes.ts';
import type { Binding, Ended, EndReason, Stopping } from '../core/protocol/messages.ts';
import type { Log } from '../core/runtime/log.ts';
import { claimedMs, isForgiven } from './claim.ts';
import type { MeterTime } from './meter-time.ts';
import { dismiss, GOES_ON_ELSEWHERE, isOver, type LiveSession, takeRow } from './session.ts';
import { endOfRow } from './session-end.ts';
import type { Telling } from './telling.ts';

/** Between attempts to say a last word, doubled each time. */
const CLOSE_AGAIN_MS = 250;
const MAX_CLOSE_AGAIN_MS = 4_000;

const WAITS_FOR_METER =
  'The meter cannot be asked at the moment. What was recorded is kept here, and counted once it can.';

const CLOSE_BY_REASON: Record<EndReason, CloseName> = {
  stopped: 'normal',
  limitReached: 'limitReached',
  sessionLimit: 'limitReached',
  stoppedByOperator: 'stoppedByOperator',
  organizationSuspended: 'organizationSuspended',
  disconnected: 'sessionEnded',
  pausedTooLong: 'sessionEnded',
  meterUnavailable: 'meterUnavailable',
  badMessage: 'badMessage',
};

export interface StoppingOptions {
  meter: Pick<RedisMeter, 'close'>;
  time: MeterTime;
  clock: { monotonicMs(): number; wallMs(): number };
  telling: Telling;
  log: Log;
  /** it is over: its total is kept until the ledger has it */
  over(session: LiveSession): void;
  /** the reply's rows and fields go where all go */
  told(reply: Extract<CloseReply, { status: 'ended' }>): void;
  /** the meter could not be asked */
  unanswered(error: unknown): void;
  /** the meter does not know it: assert it, then it can be closed */
  assert(session: LiveSession): Promise<void>;
  recover(session: LiveSession): void;
  /** The meter has its last word, and perhaps had not heard of it for a while. */
  back(session: LiveSession, row: SessionRow): void;
  /** it is stopped because it was without the meter for too long */
  terminated(session: LiveSession): void;
  /** fields of the unsettled set that are ready to settle */
  ready(session: LiveSession, fields: string[]): void;
}

export interface Ending {
  /** The budget has stopped its sessions. */
  stopFor(session: LiveSession, row: BudgetRow): void;
  /** A forced stop: one write with a tick, the warnings due and `stop`; then the save window. */
  stop(session: LiveSession, reason: EndReason, binding: Binding): void;
  /** The last word. Resolves when the meter has it. */
  end(session: LiveSession, reason: EndReason): Promise<void>;
  /** Another one ended it: the sweep, or this gateway before. */
  foundEnded(session: LiveSession, row: SessionRow): void;
  /** A recovery brought it back as if it went on: says its last word once more. */
  endAgain(session: LiveSession): void;
  /** It has been without the meter for longer than its plan bears (rule 24). */
  meterFailed(session: LiveSession): void;
  /** Nothing is to come of it here any more. */
  drop(session: LiveSession): void;
  stopAll(): void;
}

export function createEnding(options: StoppingOptions): Ending {
  const { meter, time, clock, telling, log } = options;
  const windows = new Map<LiveSession, NodeJS.Timeout>();
  let isStopped = false;

  function openSaveWindow(session: LiveSession, reason: EndReason): void {
    const { saveWindowMs } = session.limits;
    const timer = setTimeout(() => void end(session, reason), saveWindowMs);
    windows.set(session, timer);
  }

  function stop(session: LiveSession, reason: EndReason, binding: Binding): void {
    if (session.phase.kind === 'stopping' || isOver(session)) return;
    const tick = telling.tickText(session);
    const stoppedAt = clock.monotonicMs();
    session.phase = { kind: 'stopping', reason, binding, stopSeq: session.seq, stoppedAt };
    const reading = telling.readingOrBare(session);
    const saveWindowMs = session.limits.saveWindowMs;
    const actions = telling.actionsAt(session, reason, binding);
    session.wire?.send(tick, ...telling.news(session), {
      type: 'stop',
      reason,
      binding,
      saveWindowMs,
      reading,
      actions,
    } satisfies Stopping);
    openSaveWindow(session, reason);
  }

  async function close(session: LiveSession, reason: EndReason): Promise<SessionRow | null> {
    // What is forgiven goes first: a last word would charge it.
    if (isForgiven(session)) await options.assert(session);
    if (isForgiven(session)) {
      if (reason === 'meterUnavailable') meterFailed(session);
      return null;
    }
    if (session.phase.kind !== 'ending' && session.phase.kind !== 'ended') return null;
    const owner = session.epoch;
    const totalMs = claimedMs(session, time.speed);
    const age = (clock.monotonicMs() - session.stopwatch.provenAt) * time.speed;
    const reply = await meter.close({
      org: session.org,
      session: session.id,
      reason,
      by: { owner, totalMs, ageMs: Math.max(0, Math.round(age)) },
      gatewayWallMs: clock.wallMs(),
    });
    switch (reply.status) {
      case 'ended':
        options.told(reply);
        options.ready(session, reply.minutes);
        return reply.session;
      case 'superseded':
        session.phase = { kind: 'elsewhere' };
        if (session.wire) dismiss(session.wire, 'superseded', GOES_ON_ELSEWHERE);
        options.over(session);
        return null;
      case 'unknown':
        await options.assert(session);
        return null;
      case 'recover':
        options.recover(session);
        return null;
      case 'changed':
        return null;
    }
  }

  async function end(session: LiveSession, reason: EndReason): Promise<void> {
    if (isOver(session)) return;
    drop(session);
    session.phase = { kind: 'ending', reason };
    // Whatever proof is still to come, it is of time after the end.
    session.stopwatch.isRunning = false;
    const since = clock.monotonicMs();
    for (let againMs = CLOSE_AGAIN_MS; !isStopped; againMs *= 2) {
      try {
        const row = await close(session, reason);
        if (row) return finish(session, row);
      } catch (error) {
        options.unanswered(error);
        // Its recorder need not wait: the last word is kept here until the meter takes it.
        if (reason === 'meterUnavailable') meterFailed(session);
      }
      if (session.phase.kind !== 'ending') return;
      session.waitingSince ??= since;
      await new Promise((resolve) => setTimeout(resolve, Math.min(againMs, MAX_CLOSE_AGAIN_MS)));
    }
  }

  function meterFailed(session: LiveSession): void {
    if (session.phase.kind === 'ending') {
      if (session.wire) dismiss(session.wire, 'meterUnavailable', WAITS_FOR_METER);
    } else {
      if (session.phase.kind !== 'stopping') options.terminated(session);
      stop(session, 'meterUnavailable', 'plan');
    }
  }

  function drop(session: LiveSession): void {
    clearTimeout(windows.get(session));
    windows.delete(session);
  }

  function endAgain(session: LiveSession): void {
    void close(session, session.reason).catch((error) => {
      log.debug({ err: error, session: session.id }, 'an end could not be repeated yet');
    });
  }

  function finish(session: LiveSession, row: SessionRow): void {
    session.phase = { kind: 'ended' };
    if (session.waitingSince !== null) options.back(session, row);
    session.waitingSince = null;
    takeRow(session, row);
    const end = endOfRow(row);
    session.reason = end.reason;
    session.wire?.send({
      type: 'ended',
      session: session.id,
      checkpoint: telling.checkpoint(session),
      ...end,
    } satisfies Ended);
    const name = CLOSE_BY_REASON[end.reason] ?? 'sessionEnded';
    session.wire?.close(CloseCode[name], name);
    session.wire = null;
    options.over(session);
  }

  return {
    stop,
    end,
    stopFor(session, row) {
      const { scope } = parseBudgetName(row.name);
      if (row.stopReason === 'organizationSuspended') {
        return stop(session, 'organizationSuspended', 'organization');
      }
      stop(session, scope === 'session' ? 'sessionLimit' : 'limitReached', scope);
    },
    foundEnded(session, row) {
      if (session.phase.kind === 'ended' || session.phase.kind === 'elsewhere') return;
      if (isForgiven(session)) return void options.assert(session);
      finish(session, row);
      // `ended` fences starts, not totals (rule 16): whoever ended it knew less of it.
      if (claimedMs(session, time.speed) > row.totalMs) endAgain(session);
    },
    endAgain,
    meterFailed,
    drop,
    stopAll() {
      isStopped = true;
      for (const session of [...windows.keys()]) drop(session);
    },
  };
}
