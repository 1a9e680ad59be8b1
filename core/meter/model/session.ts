/** A session's record: how it begins, how it is remembered again, how it is shown. */
import { sessionBudget } from '../budget-name.ts';
import type { LedgerBase, PeriodMark, SessionRow } from '../rows.ts';
import type { ModelSession, ModelShard } from './shard.ts';
import { sessionKey } from './shard.ts';

export interface SessionIds {
  session: string;
  org: string;
  user: string;
}

export function newSession(
  ids: SessionIds,
  now: number,
  startedAt: number,
  marks: PeriodMark[],
): ModelSession {
  return {
    session: ids.session,
    org: ids.org,
    user: ids.user,
    epoch: { generation: 0, counter: 0 },
    state: 'detached',
    detachedFrom: '',
    totalMs: 0,
    chargedMs: 0,
    overshootMs: 0,
    chargedUpTo: startedAt,
    lastAnswerAt: now,
    startedAt,
    endedAt: 0,
    reason: '',
    stoppedBy: '',
    stoppedIn: new Set(),
    period: marks.at(-1)?.period ?? 0,
    marks: marks.map((mark) => ({ ...mark })),
    bySource: { planMs: 0, extraMs: 0, overageMs: 0 },
    places: new Map(),
    writtenMs: 0,
    revision: 0,
  };
}

/** As Postgres knows it (rule 22 d): settled time, owned by nobody, F at its start. */
export function fromLedger(ids: SessionIds, base: LedgerBase, now: number): ModelSession {
  const session = newSession(ids, now, base.startedAt, base.marks);
  session.chargedMs = base.chargedMs;
  session.overshootMs = base.overshootMs;
  session.totalMs = base.chargedMs + base.overshootMs;
  session.writtenMs = base.chargedMs;
  if (base.bySource) session.bySource = { ...base.bySource };
  if (base.ended) {
    session.state = 'ended';
    session.reason = base.reason;
    session.endedAt = now;
  }
  return session;
}

/** Its record goes, and its own budget with it. */
export function forget(shard: ModelShard, session: ModelSession): void {
  shard.sessions.delete(sessionKey(session));
  shard.budgets.delete(sessionBudget(session.org, session.session));
}

/** Fields of it that wait to be settled: its minutes and its own row. */
export function unsettledFields(shard: ModelShard, key: string): number {
  let count = 0;
  for (const field of shard.unsettled.keys()) {
    if (sessionOfField(field) === key) count += 1;
  }
  return count;
}

/** The key of the session that a field is of, if it is of one. */
export function sessionOfField(field: string): string | undefined {
  const [kind, org, session] = field.split('|');
  return kind === 'a' ? undefined : `${org}|${session}`;
}

export function sessionRow(shard: ModelShard, session: ModelSession): SessionRow {
  return {
    session: session.session,
    org: session.org,
    user: session.user,
    epoch: { ...session.epoch },
    state: session.state,
    totalMs: session.totalMs,
    chargedMs: session.chargedMs,
    overshootMs: session.overshootMs,
    chargedUpTo: session.chargedUpTo,
    lastAnswerAt: session.lastAnswerAt,
    startedAt: session.startedAt,
    endedAt: session.endedAt,
    reason: session.reason,
    stoppedBy: session.stoppedBy,
    period: session.period,
    marks: session.marks.map((mark) => ({ ...mark })),
    bySource: { ...session.bySource },
    unsettled: unsettledFields(shard, sessionKey(session)),
  };
}
