/** `extend`: a session's own longest length is raised, lowered or lifted while it runs. */
import { sessionBudget } from '../budget-name.ts';
import type { ExtendReply } from '../commands.ts';
import type { ExtendCommand } from '../places.ts';
import { afterLimitChange } from './limit.ts';
import { isStopped, namesOf } from './membership.ts';
import { limitItself } from './open.ts';
import { sessionRow } from './session.ts';
import { sessionKey } from './shard.ts';
import { splitAlone } from './split.ts';
import type { Turn } from './turn.ts';
import { finishTurn, rowsOf } from './turn.ts';
import { budgetsNeeded } from './witness.ts';

export function extend(turn: Turn, command: ExtendCommand): ExtendReply {
  const { shard, now } = turn;
  const session = shard.sessions.get(sessionKey(command));
  if (session === undefined) return { status: 'unknown', now };
  if (session.state === 'ended') return { status: 'ended', now };
  const missing = budgetsNeeded(session, null).filter((name) => !shard.budgets.has(name));
  if (missing.length > 0) return { status: 'unseeded', budgets: missing };
  if (isStopped(session)) return { status: 'stopped', now };

  const name = sessionBudget(command.org, command.session);
  const budget = shard.budgets.get(name);
  const { limitMs, version, levels } = command;
  if (budget === undefined) {
    limitItself(turn, session, { sessionLimitMs: limitMs, sessionLevels: levels });
    const made = shard.budgets.get(name);
    if (made !== undefined) made.version = version;
  } else if (version > budget.version) {
    budget.quotaMs = limitMs;
    budget.version = version;
    splitAlone(budget);
    afterLimitChange(turn, budget);
  }
  finishTurn(turn);
  const row = sessionRow(shard, session);
  const budgets = rowsOf(turn, namesOf(session, session.period));
  return { status: 'ok', now, session: row, budgets, minutes: [...turn.fields] };
}
