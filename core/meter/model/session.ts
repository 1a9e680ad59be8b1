/** A session's record: how it begins, how it is remembered again, how it is shown. */
import type { LedgerBase, PeriodMark, SessionRow, Witness } from '../commands.ts';
import type { ModelSession, ModelShard } from './shard.ts';
import { sessionKey } from './shard.ts';

export interface SessionIds {
  session: string;
  org: string;
  user: string;
}

export function newSession(ids: SessionIds, startedAt: number, marks: PeriodMark[]): ModelSession {
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
    lastAnswerAt: startedAt,
    startedAt,
    endedAt: 0,
    reason: '',
    stoppedBy: '',
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
  const session = newSession(ids, base.startedAt, base.marks);
  session.chargedMs = base.chargedMs;
  session.overshootMs = base.overshootMs;
  session.totalMs = base.chargedMs + base.overshootMs;
  session.writtenMs = base.chargedMs;
  if (base.ended) {
    session.state = 'ended';
    session.reason = base.reason;
    session.endedAt = now;
  }
  return session;
}

/** Neither Redis nor Postgres knows it, but a witness does: it began where the witness' marks do. */
export function fromWitness(ids: SessionIds, witness: Witness): ModelSession {
  const first = witness.marks[0] ?? { period: 0, chargedMs: 0 };
  return newSession(ids, witness.at - witness.totalMs, [{ period: first.period, chargedMs: 0 }]);
}

/** Fields of it that wait to be settled: minutes, its own row, alerts of its own budget. */
export function unsettledFields(shard: ModelShard, key: string): number {
  let count = 0;
  for (const field of shard.unsettled.keys()) {
    if (sessionOfField(field) === key) count += 1;
  }
  return count;
}

/** The key of the session that a field is of, if it is of one. */
export function sessionOfField(field: string): string | undefined {
  const [kind, first, second, third] = field.split('|');
  if (kind === 'a') return first === 's' ? `${second}|${third}` : undefined;
  return `${first}|${second}`;
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
