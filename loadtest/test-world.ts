/** Recorders and books that agree, for tests that then spoil one thing. */
import type { Books } from './books.ts';
import type { Budget } from './lateness.ts';
import type { RecorderLog } from './recorder-log.ts';

export const PERIOD = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;

export function makeLog(over: Partial<RecorderLog> = {}): RecorderLog {
  return {
    ...{ org: 'o', user: 'u', session: 's', recording: [], away: [], connections: 1, joinMs: 4 },
    ...{ ticks: 3, acknowledgedMs: null, ended: null, warnings: [], stop: null, refused: null },
    ...{ phase: 'ended', complaints: [], unsureMs: 0, hasVanished: false },
    ...over,
  };
}

/** One that recorded from `fromMs` on for `ms`, and ended by itself. */
export function endedLog(
  session: string,
  fromMs: number,
  ms: number,
  overshootMs = 0,
): RecorderLog {
  const summary = {
    recordedMs: ms,
    overshootMs,
    planMs: ms - overshootMs,
    extraMs: 0,
    overageMs: 0,
  };
  return makeLog({
    session,
    recording: [{ fromMs, toMs: fromMs + ms }],
    acknowledgedMs: ms,
    ended: { reason: 'stopped', ...summary },
  });
}

/** The same, stopped at the limit: warnings and stop arrive `lateMs` after their instants. */
export function stoppedLog(
  session: string,
  fromMs: number,
  ms: number,
  told: { what: number; atMs: number }[],
): RecorderLog {
  const log = endedLog(session, fromMs, ms);
  log.ended!.reason = 'limitReached';
  log.stop = { reason: 'limitReached', binding: 'organization', atMs: fromMs + ms, gateway: 'g1' };
  log.warnings = told.map(({ what, atMs }) => ({
    ...{
      id: `o/${what}`,
      level: what,
      scope: 'organization',
      atMs,
      by: 'warning' as const,
      gateway: 'g1',
    },
  }));
  return log;
}

function minutesOf(ms: number) {
  const count = Math.ceil(ms / MINUTE_MS);
  return Array.from({ length: count }, (_, minute) => {
    const part = Math.min(MINUTE_MS, ms - minute * MINUTE_MS);
    return { minute, period: PERIOD, ms: part, planMs: part, extraMs: 0, overageMs: 0 };
  });
}

/** Books of an organization that say just what its recorders were acknowledged. */
export function booksOf({ org, quotaMs, logs }: Budget): Books {
  const letIn = logs.filter((log) => log.ended !== null);
  const chargedMs = (log: RecorderLog) => log.ended!.recordedMs - log.ended!.overshootMs;
  const usedMs = letIn.reduce((sum, log) => sum + chargedMs(log), 0);
  return {
    ledgerSessions: letIn.map((log) => ({
      ...{ org, session: log.session, state: 'closed' as const },
      recordedMs: log.ended!.recordedMs,
      overshootMs: log.ended!.overshootMs,
      settledMs: chargedMs(log),
      minutes: minutesOf(chargedMs(log)),
    })),
    ledgerPeriods: [
      {
        org,
        period: PERIOD,
        quotaMs,
        usedMs,
        planMs: usedMs,
        extraMs: 0,
        overageMs: 0,
        cachedMs: usedMs,
      },
    ],
    meterSessions: letIn.map((log) => ({
      ...{ org, session: log.session, totalMs: log.ended!.recordedMs },
      ...{ chargedMs: chargedMs(log), overshootMs: log.ended!.overshootMs },
    })),
    meterBudgets: [{ org, period: PERIOD, usedMs, quotaMs, burnRate: 0 }],
  };
}
