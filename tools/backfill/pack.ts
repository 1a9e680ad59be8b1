import { utcMonth } from '../../core/calendar/local-day.ts';
import type { MinuteChange, SessionChange } from '../../worker/ledger/batch.ts';
import { minuteKey, sessionKey } from '../../worker/ledger/grouping.ts';
import { MINUTE_MS } from './usage-row.ts';

export const IMPORTED = 'imported';

/** A row of the source that the ledger has not, or not all of. */
export interface WaitingRow {
  org: string;
  session: string;
  user: string;
  at: number;
  ms: number;
  /** what the ledger has of it */
  takenMs: number;
  purchase: string | null;
  /** start of the billing period in which it lies */
  period: number;
}

/** What the ledger has of a session. */
export interface PackedSession {
  startedAt: number;
  settledMs: number;
}

/** Of a minute record, what one row adds to it. In the order in which it was recorded. */
export interface Part {
  /** `minuteKey` */
  key: string;
  org: string;
  period: number;
  at: number;
  ms: number;
  purchase: string | null;
}

export interface Packed {
  sessions: SessionChange[];
  minutes: MinuteChange[];
  parts: Part[];
}

/**
 * Lays rows on the axis of their sessions' charged time, each behind what the ledger has by then: by it
 * minutes are numbered (rule 10 in core/meter/README.md), so each but the last is full. A row that
 * comes late is charged late, in the period in which it was recorded. Minutes carry cumulative values.
 * @param rows of an organization in the order of their instants
 * @param stored what the ledger has of the minute at which a session stands, by `minuteKey`
 */
export function pack(
  rows: readonly WaitingRow[],
  known: ReadonlyMap<string, PackedSession>,
  stored: ReadonlyMap<string, number>,
): Packed {
  const sessions = new Map<string, SessionChange>();
  const minutes = new Map<string, MinuteChange>();
  const parts: Part[] = [];
  for (const row of rows) {
    const { org, session, user, period, at, purchase } = row;
    const name = sessionKey(row);
    let change = sessions.get(name);
    if (change === undefined) {
      const before = known.get(name);
      change = newSession(row, before?.startedAt ?? at, before?.settledMs ?? 0);
      sessions.set(name, change);
    }
    change.firstPeriod = Math.min(change.firstPeriod, period);
    change.lastPeriod = Math.max(change.lastPeriod, period);
    change.endedAt = Math.max(change.endedAt ?? 0, at + row.ms);
    for (let rest = row.ms - row.takenMs; rest > 0; ) {
      const minute = Math.floor(change.recordedMs / MINUTE_MS);
      const ms = Math.min(rest, (minute + 1) * MINUTE_MS - change.recordedMs);
      const key = minuteKey({ org, session, minute, period });
      let record = minutes.get(key);
      if (record === undefined) {
        record = { org, session, user, minute, period, ms: stored.get(key) ?? 0, at };
        minutes.set(key, record);
      }
      record.ms += ms;
      change.recordedMs += ms;
      rest -= ms;
      parts.push({ key, org, period, at, ms, purchase });
    }
  }
  return { sessions: [...sessions.values()], minutes: [...minutes.values()], parts };
}

function newSession(row: WaitingRow, startedAt: number, settledMs: number): SessionChange {
  return {
    ...{ org: row.org, session: row.session, user: row.user },
    ...{ startedAt, startMonth: utcMonth(startedAt) },
    ...{ firstPeriod: row.period, lastPeriod: row.period },
    ...{ endedAt: row.at, reason: IMPORTED, stoppedBy: null },
    ...{ recordedMs: settledMs, overshootMs: 0 },
  };
}
