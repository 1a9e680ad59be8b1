/** `open`: admission of a new session, and the return of a known one to an owner. */
import type { BudgetName } from '../budget-name.ts';
import { organizationBudget, sessionBudget } from '../budget-name.ts';
import type { OpenReply } from '../commands.ts';
import type { OpenCommand } from '../open-command.ts';
import { LimitMode } from '../rows.ts';
import { forgetOldStarts, judge, noteStart } from './admission.ts';
import { roomMs } from './budget.ts';
import { afterCharge, clearStop } from './limit.ts';
import {
  drawsOn,
  isStopped,
  join,
  leave,
  namesOf,
  periodNames,
  stopIfBudgetsAreStopped,
} from './membership.ts';
import { fromLedger, newSession, sessionRow } from './session.ts';
import type { ModelBudget, ModelSession } from './shard.ts';
import { sessionKey } from './shard.ts';
import { splitAlone } from './split.ts';
import type { Turn } from './turn.ts';
import { clocksAgree, finishTurn, putSession, rowsOf, undo } from './turn.ts';
import { budgetsNeeded, budgetsOfUntold, recall, untoldIn } from './witness.ts';
import { countsTime, hearTotal, settleState } from './word.ts';

export function open(turn: Turn, command: OpenCommand): OpenReply {
  const { shard, now } = turn;
  const known = shard.sessions.get(sessionKey(command));
  if (known !== undefined && known.user !== command.user) return { status: 'foreign', now };
  const { base, witness } = command;
  const period = presentPeriod(turn, command);
  // Rule 16: what Redis does not know is looked up in Postgres before it is thought new.
  if (known === undefined && base === null && command.kind === 'resume') {
    return { status: 'unknown', now };
  }
  const session = known ?? (base === null ? null : fromLedger(command, base, now));
  const needed =
    session === null
      ? periodNames(command, period)
      : [
          ...budgetsNeeded(session, witness),
          ...budgetsOfUntold(shard, session, untoldIn(turn, command, session)),
        ];
  const missing = needed.filter((name) => !shard.budgets.has(name));
  if (missing.length > 0) return { status: 'unseeded', budgets: missing };
  return session === null ? start(turn, { ...command, period }) : resume(turn, command, session);
}

/** Rule 19: what the caller thinks is the present period may have been ended meanwhile. */
function presentPeriod(turn: Turn, { org, period, gatewayWallMs }: OpenCommand): number {
  let present = period;
  while (clocksAgree(turn, gatewayWallMs)) {
    const endsAt = turn.shard.budgets.get(organizationBudget(org, present))?.endsAt;
    if (endsAt == null || turn.now < endsAt) break;
    present = endsAt;
  }
  return present;
}

function start(turn: Turn, command: OpenCommand): OpenReply {
  const { shard, now } = turn;
  const names = periodNames(command, command.period);
  const budgets = names.flatMap((name) => shard.budgets.get(name) ?? []);
  const refused = () => rowsOf(turn, names);
  if (shard.accounts.get(command.org)?.suspended) {
    return { status: 'organizationSuspended', now, budgets: refused(), minutes: [] };
  }
  const full = budgets.find((budget) => freeMs(turn, budget) <= 0);
  if (full !== undefined) {
    return { status: 'limitReached', now, by: full.name, budgets: refused() };
  }
  const tooLong = tooShortFor(turn, command, budgets);
  if (tooLong !== undefined) {
    return { status: 'plannedTooLong', now, by: tooLong, budgets: refused() };
  }
  const judged = judge(turn, command);
  if ('refusal' in judged) return judged.refusal;

  // A budget that admits is not stopped any more: otherwise it could never stop this session.
  for (const budget of budgets) if (budget.stoppedAt > 0) clearStop(budget);
  const session = newSession(command, now, now, [{ period: command.period, chargedMs: 0 }]);
  session.epoch = { generation: turn.head.generation, counter: 1 };
  shard.sessions.set(sessionKey(session), session);
  noteStart(shard, session);
  forgetOldStarts(turn, command.org);
  limitItself(turn, session, command);
  settleState(turn, session, 'recording');
  putSession(turn, session);
  return { ...opened(turn, session), status: 'opened', shadowed: judged.shadowed };
}

/** Rule 6: what stopped sessions may still prove is not given away again. */
function freeMs(turn: Turn, budget: ModelBudget): number {
  const { unprovenCount, unprovenSumMs, lastStopAt, startsAt } = budget;
  const unprovenMs = unprovenCount * (lastStopAt - startsAt) - unprovenSumMs;
  return roomMs(turn.shard, budget) - Math.max(0, unprovenMs);
}

function tooShortFor(
  turn: Turn,
  command: OpenCommand,
  budgets: ModelBudget[],
): BudgetName | undefined {
  const { plannedMs, sessionLimitMs } = command;
  if (plannedMs === null) return undefined;
  const short = budgets.find((budget) => freeMs(turn, budget) < plannedMs);
  if (short !== undefined) return short.name;
  const itself = sessionLimitMs !== null && sessionLimitMs < plannedMs;
  return itself ? sessionBudget(command.org, command.session) : undefined;
}

function resume(turn: Turn, command: OpenCommand, session: ModelSession): OpenReply {
  const { shard } = turn;
  const adopted = !shard.sessions.has(sessionKey(session));
  if (adopted) {
    shard.sessions.set(sessionKey(session), session);
    stopIfBudgetsAreStopped(shard, session);
    if (session.state !== 'ended') noteStart(shard, session);
  }
  limitItself(turn, session, command);
  // Rule 23: charged before the answer, even if the answer is a refusal.
  const newest = recall(turn, session, command);

  const counter = command.witness?.epoch.counter;
  if (command.authenticates && counter !== undefined && counter < session.epoch.counter) {
    return invalid(turn, session);
  }
  if (session.state === 'ended') return ended(turn, session, adopted);

  const recorded = newest === null ? wasRecording(session) : newest === 'recording';
  const growthMs = capturedOf(command, session, unheardMs(turn, command, session, recorded));
  const paused = newest === null ? isPaused(session) : newest === 'paused';
  const believed = clocksAgree(turn, command.gatewayWallMs);
  hearTotal(turn, session, session.totalMs + growthMs, provenAt(turn, command, session), believed);
  session.epoch = { generation: turn.head.generation, counter: session.epoch.counter + 1 };
  const epoch = { ...session.epoch };
  turn.events.push({ kind: 'superseded', org: session.org, session: session.session, epoch });
  settleState(turn, session, paused ? 'paused' : 'recording');
  return { ...opened(turn, session), status: 'resumed' };
}

/** Rule 2: what the same gateway's stopwatch proves, else the gap, whole or not at all. */
function unheardMs(
  turn: Turn,
  command: OpenCommand,
  session: ModelSession,
  recorded: boolean,
): number {
  if (command.memoryMs !== null) return Math.max(0, command.memoryMs - session.totalMs);
  if (!recorded || isStopped(session)) return 0;
  const gapMs = turn.now - session.chargedUpTo;
  return gapMs > 0 && gapMs <= command.countedGapMs ? gapMs : 0;
}

/** Rule 3: of a trusted recorder no more counts than it says it captured. */
function capturedOf({ capturedMs }: OpenCommand, session: ModelSession, growthMs: number): number {
  if (capturedMs == null) return growthMs;
  return Math.max(0, Math.min(growthMs, capturedMs - session.totalMs));
}

/** What a stopwatch proved as the recorder came back may get here later: what passed since is a gap, too. */
function provenAt({ now }: Turn, command: OpenCommand, session: ModelSession): number {
  if (command.memoryMs === null) return now;
  return Math.max(now - (command.memoryAgeMs ?? 0), Math.min(session.chargedUpTo, now));
}

function wasRecording(session: ModelSession): boolean {
  if (countsTime(session.state)) return true;
  return session.state === 'detached' && session.detachedFrom === 'recording';
}

/** A paused session that returns is paused still; one of which nothing is known records. */
function isPaused(session: ModelSession): boolean {
  if (session.state === 'paused') return true;
  return session.state === 'detached' && session.detachedFrom === 'paused';
}

/** Its own longest length, and the levels at which to warn of it. */
type Length = Pick<OpenCommand, 'sessionLimitMs' | 'sessionLevels'>;

/** A session's own budget: made once, on its first `open` that names a longest length. */
export function limitItself(turn: Turn, session: ModelSession, command: Length): void {
  const name = sessionBudget(session.org, session.session);
  if (command.sessionLimitMs === null || turn.shard.budgets.has(name)) return;
  const settled = { sequence: -1, usedMs: 0, planMs: 0, extraMs: 0, overageMs: 0 };
  const budget: ModelBudget = {
    name,
    org: session.org,
    scope: 'session',
    seq: 0,
    quotaMs: command.sessionLimitMs,
    version: 1,
    mode: LimitMode.stop,
    overageCapMs: null,
    startsAt: session.startedAt,
    endsAt: null,
    usedMs: session.chargedMs,
    planMs: 0,
    extraMs: 0,
    overageMs: 0,
    burnRate: 0,
    frontierSumMs: 0,
    unprovenCount: 0,
    unprovenSumMs: 0,
    stops: 0,
    stoppedAt: 0,
    lastStopAt: 0,
    stopReason: '',
    levels: [...command.sessionLevels],
    crossed: command.sessionLevels.map(() => 0),
    settled,
  };
  splitAlone(budget);
  const stands = session.places.size > 0;
  leave(turn.shard, session);
  turn.shard.budgets.set(name, budget);
  if (stands) join(turn.shard, session);
  afterCharge(turn, budget);
}

function invalid(turn: Turn, session: ModelSession): OpenReply {
  finishTurn(turn);
  const budgets = rowsOf(turn, namesOf(session, session.period));
  const minutes = [...turn.fields];
  return { status: 'checkpointInvalid', now: turn.now, budgets, minutes };
}

function ended(turn: Turn, session: ModelSession, adopted: boolean): OpenReply {
  const row = sessionRow(turn.shard, session);
  // The ledger has all of it, unless the witness knew more: nothing would ever retire its record.
  const isKept = !adopted || row.unsettled > 0;
  if (isKept) finishTurn(turn);
  const budgets = rowsOf(turn, namesOf(session, session.period));
  if (!isKept) undo(turn, session);
  return { status: 'ended', now: turn.now, session: row, budgets, minutes: [...turn.fields] };
}

function opened(turn: Turn, session: ModelSession) {
  finishTurn(turn);
  return {
    now: turn.now,
    session: sessionRow(turn.shard, session),
    budgets: drawsOn(turn.shard, session).flatMap((budget) => rowsOf(turn, [budget.name])),
    minutes: [...turn.fields],
  };
}
