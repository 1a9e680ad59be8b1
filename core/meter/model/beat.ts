/** `beats` and `close`: the words of a session's owner, and its end. */
import type { BudgetName } from '../budget-name.ts';
import type { BeatItem, BeatReply, CloseCommand, CloseReply } from '../commands.ts';
import type { Epoch } from '../rows.ts';
import { drawsOn, leave, namesOf, noteStop, periodNames } from './membership.ts';
import { writeOpenMinute } from './minute.ts';
import { sessionRow } from './session.ts';
import type { ModelSession } from './shard.ts';
import { sessionKey } from './shard.ts';
import type { Turn } from './turn.ts';
import { clocksAgree, finishTurn, putSession, rowsOf } from './turn.ts';
import { hearTotal, NO_HALT, settleState } from './word.ts';

/** One item of a batch. `drawn` collects the budgets that it drew on. */
export function beat(
  turn: Turn,
  item: BeatItem,
  gatewayWallMs: number,
  drawn: Set<BudgetName>,
): BeatReply {
  const session = turn.shard.sessions.get(sessionKey(item));
  if (session === undefined) return silence('unknown');
  const owner = compareEpochs(item.epoch, session.epoch);
  // Rule 15: words of another epoch change nothing. A newer one is of before a recovery.
  if (owner < 0) return answer('superseded', session, NO_HALT);
  if (owner > 0) return silence('unknown');
  // After a recovery nobody may have seeded what it draws on: its owner has to assert it.
  if (!isSeeded(turn, session)) return silence('unknown');
  const note = () => {
    for (const budget of drawsOn(turn.shard, session)) drawn.add(budget.name);
  };
  note();
  let halt = NO_HALT;
  // Rule 1: a total below the known one is ignored whole.
  const isHeard = item.totalMs >= session.totalMs;
  if (isHeard) {
    const believed = clocksAgree(turn, gatewayWallMs);
    halt = hearTotal(turn, session, item.totalMs, turn.now - item.ageMs, believed);
    note();
  }
  // Rule 16: `ended` fences starts, not totals.
  if (session.state === 'ended') {
    writeOpenMinute(turn, session);
    return answer('ended', session, halt);
  }
  if (isHeard) settleState(turn, session, item.state);
  else noteStop(turn.shard, session);
  return answer(session.stoppedBy === '' ? 'ok' : 'stopped', session, halt);
}

export function close(turn: Turn, command: CloseCommand): CloseReply {
  const { now } = turn;
  const session = turn.shard.sessions.get(sessionKey(command));
  if (session === undefined) return { status: 'unknown', now };
  if ('owner' in command.by) {
    const { owner, totalMs, ageMs } = command.by;
    const order = compareEpochs(owner, session.epoch);
    if (order !== 0) return { status: order < 0 ? 'superseded' : 'unknown', now };
    if (totalMs >= session.totalMs) {
      if (!isSeeded(turn, session)) return { status: 'unknown', now };
      const believed = clocksAgree(turn, command.gatewayWallMs);
      hearTotal(turn, session, totalMs, now - ageMs, believed);
    }
  } else {
    // Rule 17: only if neither changed between two looks.
    const { totalMs, lastAnswerAt } = command.by.sweep;
    const changed = session.totalMs !== totalMs || session.lastAnswerAt !== lastAnswerAt;
    if (changed || session.state === 'ended') return { status: 'changed', now };
  }
  // After a recovery nobody may have seeded the budgets of a session that only has to end.
  const seeded = isSeeded(turn, session);
  if (seeded) noteStop(turn.shard, session);
  end(turn, session, command.reason);
  finishTurn(turn);
  return {
    status: 'ended',
    now,
    session: sessionRow(turn.shard, session),
    budgets: seeded ? rowsOf(turn, namesOf(session, session.period)) : [],
    minutes: [...turn.fields],
  };
}

/** A session ends once, for one reason. */
function end(turn: Turn, session: ModelSession, reason: string): void {
  writeOpenMinute(turn, session);
  if (session.state === 'ended') return;
  leave(turn.shard, session);
  session.state = 'ended';
  session.endedAt = turn.now;
  session.reason = reason;
  putSession(turn, session);
}

function isSeeded(turn: Turn, session: ModelSession): boolean {
  return periodNames(session, session.period).every((name) => turn.shard.budgets.has(name));
}

/** Generation first. */
export function compareEpochs(a: Epoch, b: Epoch): number {
  return a.generation - b.generation || a.counter - b.counter;
}

function answer(
  status: BeatReply['status'],
  session: ModelSession,
  halt: { missingPeriod: number | null; boundaryDoubted: boolean },
): BeatReply {
  return {
    status,
    totalMs: session.totalMs,
    chargedMs: session.chargedMs,
    overshootMs: session.overshootMs,
    ...halt,
    period: session.period,
  };
}

/** An answer about nothing: the session, or its shard, is not there. */
export function silence(status: 'unknown' | 'recover'): BeatReply {
  return { status, totalMs: 0, chargedMs: 0, overshootMs: 0, ...NO_HALT, period: 0 };
}
