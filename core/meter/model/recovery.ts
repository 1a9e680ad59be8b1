/** Rule 22: `flush`, `adopt` and `assert`. One path, whatever was lost. */
import type { AdoptCommand, AssertCommand, AssertReply, Recover, Unsettled } from '../commands.ts';
import type { LedgerBase, Witness } from '../rows.ts';
import { noteStart } from './admission.ts';
import { compareEpochs } from './beat.ts';
import { leave, namesOf, stopIfBudgetsAreStopped } from './membership.ts';
import { writeOpenMinute } from './minute.ts';
import { limitItself } from './open.ts';
import { fromLedger, sessionRow } from './session.ts';
import { describeFields } from './settle.ts';
import type { ModelSession } from './shard.ts';
import { sessionKey } from './shard.ts';
import type { Turn } from './turn.ts';
import { finishTurn, rowsOf, undo } from './turn.ts';
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
    if (session.state !== 'ended') noteStart(turn.shard, session);
  }
  return { status: 'ok' };
}

/** (e) What a gateway remembers. Charged whoever says it; ownership goes by the epoch. */
export function assertSession(turn: Turn, command: AssertCommand): AssertReply {
  const { shard, now } = turn;
  const { base, witness } = command;
  const known = shard.sessions.get(sessionKey(command));
  if (known === undefined && base === null) return { status: 'unknown' };
  const session = known ?? fromLedger(command, base as LedgerBase, now);
  const missing = budgetsNeeded(session, witness).filter((name) => !shard.budgets.has(name));
  if (missing.length > 0) return { status: 'unseeded', budgets: missing };

  if (known === undefined) {
    shard.sessions.set(sessionKey(session), session);
    stopIfBudgetsAreStopped(shard, session);
    if (session.state !== 'ended') noteStart(shard, session);
  }
  limitItself(turn, session, command);
  const knownMs = session.totalMs;
  raise(turn, session, witness);
  const status = takeOver(turn, session, witness, knownMs);
  const row = sessionRow(shard, session);
  const isKept = known !== undefined || status !== 'ended' || row.unsettled > 0;
  if (isKept) finishTurn(turn);
  const budgets = rowsOf(turn, namesOf(session, session.period));
  // The ledger has all of it: nothing would ever retire its record.
  if (!isKept) undo(turn, session);
  return { status, now, session: row, budgets, minutes: [...turn.fields] };
}

function takeOver(
  turn: Turn,
  session: ModelSession,
  witness: Witness,
  knownMs: number,
): 'ok' | 'superseded' | 'ended' {
  const owns = compareEpochs(witness.epoch, session.epoch) >= 0;
  // Of an ended one, too: later totals of its owner must find its epoch.
  if (owns) session.epoch = { ...witness.epoch };
  if (session.state === 'ended') {
    writeOpenMinute(turn, session);
    return 'ended';
  }
  if (!owns) {
    if (session.places.size === 0) writeOpenMinute(turn, session);
    return 'superseded';
  }
  leave(turn.shard, session);
  if (witness.totalMs >= knownMs) session.chargedUpTo = witness.at;
  settleState(turn, session, witness.state);
  return 'ok';
}
