/** Rule 22: `flush`, `adopt` and `assert`. One path, whatever was lost. */
import type { AdoptCommand, AssertCommand, AssertReply, Recover, Unsettled } from '../commands.ts';
import { compareEpochs } from './beat.ts';
import { leave, namesOf, stopIfBudgetsAreStopped } from './membership.ts';
import { writeOpenMinute } from './minute.ts';
import { limitItself } from './open.ts';
import { fromLedger, fromWitness, sessionRow } from './session.ts';
import { describeFields } from './settle.ts';
import type { ModelSession } from './shard.ts';
import { sessionKey } from './shard.ts';
import type { Turn } from './turn.ts';
import { finishTurn, putSession, rowsOf } from './turn.ts';
import { budgetsNeeded, raise } from './witness.ts';
import { settleState } from './word.ts';

/** (b) Everything that is known goes where the worker settles it, by the generation it is of. */
export function flush(turn: Turn): Unsettled[] {
  for (const session of turn.shard.sessions.values()) writeOpenMinute(turn, session);
  return describeFields(turn.shard, turn.shard.unsettled.keys());
}

/** (d) Open sessions as Postgres has them; one that has come back by itself is left alone. */
export function adopt(
  turn: Turn,
  command: AdoptCommand,
): Exclude<Recover | { status: 'staleGeneration' } | { status: 'ok' }, Recover> {
  if (command.generation !== turn.head.generation) return { status: 'staleGeneration' };
  for (const { base, ...ids } of command.sessions) {
    if (turn.shard.sessions.has(sessionKey(ids))) continue;
    const session = fromLedger(ids, base, turn.now);
    turn.shard.sessions.set(sessionKey(ids), session);
    stopIfBudgetsAreStopped(turn.shard, session);
  }
  return { status: 'ok' };
}

/** (e) What a gateway remembers. Charged whoever says it; ownership goes by the epoch. */
export function assertSession(turn: Turn, command: AssertCommand): AssertReply {
  const { shard, now } = turn;
  const { base, witness } = command;
  const known = shard.sessions.get(sessionKey(command));
  if (known === undefined && base === null) return { status: 'unknown' };
  const session = known ?? rememberedOf(turn, command);
  const missing = budgetsNeeded(session, witness).filter((name) => !shard.budgets.has(name));
  if (missing.length > 0) return { status: 'unseeded', budgets: missing };

  shard.sessions.set(sessionKey(session), session);
  stopIfBudgetsAreStopped(shard, session);
  if (known === undefined && base?.startedAt === 0) putSession(turn, session);
  raise(turn, session, witness);
  const status = takeOver(turn, session, command);
  finishTurn(turn);
  const row = sessionRow(shard, session);
  const budgets = rowsOf(turn, namesOf(session, session.period));
  if (known === undefined && status === 'ended' && row.unsettled === 0) {
    shard.sessions.delete(sessionKey(session));
  }
  return { status, now, session: row, budgets, minutes: [...turn.fields] };
}

function rememberedOf(turn: Turn, command: AssertCommand): ModelSession {
  const { base, witness } = command;
  if (base === null || base.startedAt === 0) return fromWitness(command, witness);
  return fromLedger(command, base, turn.now);
}

function takeOver(
  turn: Turn,
  session: ModelSession,
  command: AssertCommand,
): 'ok' | 'superseded' | 'ended' {
  const { witness } = command;
  if (session.state === 'ended') return 'ended';
  if (compareEpochs(witness.epoch, session.epoch) < 0) return 'superseded';
  limitItself(turn, session, command);
  session.epoch = { ...witness.epoch };
  session.lastAnswerAt = turn.now;
  leave(turn.shard, session);
  if (witness.totalMs >= session.totalMs) session.chargedUpTo = witness.at;
  settleState(turn, session, witness.state);
  return 'ok';
}
