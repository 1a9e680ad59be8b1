import { utcMonth } from '../../core/calendar/local-day.ts';
import { parseBudgetName } from '../../core/meter/budget-name.ts';
import type { Unsettled } from '../../core/meter/commands.ts';
import type { SessionRow } from '../../core/meter/rows.ts';
import { sessionKey } from './grouping.ts';

/** What the ledger learns of a session's own row. Cumulative: the larger figure counts. */
export interface SessionChange {
  org: string;
  session: string;
  user: string;
  startedAt: number;
  startMonth: string;
  firstPeriod: number;
  lastPeriod: number;
  endedAt: number | null;
  reason: string | null;
  stoppedBy: string | null;
  recordedMs: number;
  overshootMs: number;
}

/** A minute of a session in a period, cumulative. */
export interface MinuteChange {
  org: string;
  session: string;
  user: string;
  minute: number;
  period: number;
  ms: number;
  /** when it was recorded, where that is not just now: an import. It names the local day */
  at?: number;
}

export interface AlertChange {
  org: string;
  budget: string;
  scope: 'organization' | 'member' | 'session';
  user: string | null;
  session: string | null;
  period: number | null;
  level: number;
  version: number;
  at: number;
}

/** What one transaction writes: of one shard, up to some hundred changes. */
export interface Batch {
  sessions: SessionChange[];
  minutes: MinuteChange[];
  alerts: AlertChange[];
}

function fromRow(row: SessionRow): SessionChange {
  return {
    org: row.org,
    session: row.session,
    user: row.user,
    startedAt: row.startedAt,
    startMonth: utcMonth(row.startedAt),
    firstPeriod: row.marks[0]!.period,
    lastPeriod: row.period,
    endedAt: row.endedAt === 0 ? null : row.endedAt,
    reason: row.reason === '' ? null : row.reason,
    stoppedBy: row.stoppedBy === '' ? null : row.stoppedBy,
    recordedMs: row.totalMs,
    overshootMs: row.overshootMs,
  };
}

/** A minute may come before its session's own row has. */
function fromMinute(item: Extract<Unsettled, { kind: 'minute' }>): SessionChange {
  return {
    org: item.org,
    session: item.session,
    user: item.user,
    startedAt: item.startedAt,
    startMonth: utcMonth(item.startedAt),
    firstPeriod: item.period,
    lastPeriod: item.period,
    endedAt: null,
    reason: null,
    stoppedBy: null,
    recordedMs: 0,
    overshootMs: 0,
  };
}

function merge(a: SessionChange, b: SessionChange): SessionChange {
  return {
    ...a,
    firstPeriod: Math.min(a.firstPeriod, b.firstPeriod),
    lastPeriod: Math.max(a.lastPeriod, b.lastPeriod),
    endedAt: a.endedAt ?? b.endedAt,
    reason: a.reason ?? b.reason,
    stoppedBy: a.stoppedBy ?? b.stoppedBy,
    recordedMs: Math.max(a.recordedMs, b.recordedMs),
    overshootMs: Math.max(a.overshootMs, b.overshootMs),
  };
}

function fromAlert(item: Extract<Unsettled, { kind: 'alert' }>): AlertChange {
  const parsed = parseBudgetName(item.budget);
  return {
    org: item.org,
    budget: item.budget,
    scope: parsed.scope,
    user: parsed.scope === 'member' ? parsed.user : null,
    session: parsed.scope === 'session' ? parsed.session : null,
    period: parsed.scope === 'session' ? null : parsed.period,
    level: item.level,
    version: item.version,
    at: item.at,
  };
}

/**
 * Orders and joins what was read from the unsettled set. Minutes come in the order in which they
 * burn: older periods first (rule 12 in core/meter/README.md), then as their sessions began.
 */
export function batchOf(items: readonly Unsettled[]): Batch {
  const sessions = new Map<string, SessionChange>();
  const minutes: MinuteChange[] = [];
  const alerts: AlertChange[] = [];
  for (const item of items) {
    if (item.kind === 'alert') {
      alerts.push(fromAlert(item));
      continue;
    }
    const of = item.kind === 'session' ? item.row : item;
    const key = sessionKey(of);
    const known = sessions.get(key);
    if (item.kind === 'session') {
      const change = fromRow(item.row);
      sessions.set(key, known === undefined ? change : merge(known, change));
      continue;
    }
    if (known === undefined) {
      sessions.set(key, fromMinute(item));
    } else {
      known.firstPeriod = Math.min(known.firstPeriod, item.period);
      known.lastPeriod = Math.max(known.lastPeriod, item.period);
    }
    const { org, session, user, minute, period, ms } = item;
    minutes.push({ org, session, user, minute, period, ms });
  }
  const startOf = (it: MinuteChange) => sessions.get(sessionKey(it))!.startedAt;
  minutes.sort(
    (a, b) =>
      compare(a.org, b.org) ||
      a.period - b.period ||
      startOf(a) - startOf(b) ||
      compare(a.session, b.session) ||
      a.minute - b.minute,
  );
  return { sessions: [...sessions.values()], minutes, alerts };
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
