/** Rule 18: places for sessions at once, sessions a day, and the queue for a place. */
import type { CountReply, OpenReply } from '../commands.ts';
import type { DayLimits, OpenCommand } from '../open-command.ts';
import type { CountCommand, Places } from '../places.ts';
import type { LimitedBy } from '../rows.ts';
import { periodNames } from './membership.ts';
import type { ModelSession, ModelShard, Starts, Waiter } from './shard.ts';
import type { Turn } from './turn.ts';
import { rowsOf } from './turn.ts';

/** A start is remembered so long, beyond any local day and any step of a clock. */
const KEPT_MS = 3 * 86_400_000;

type Of = { org: string; user: string; session: string };
const placeOf = (of: Of) => `${of.user}|${of.session}`;

/** A start that is let in, or refused; `shadowed` is what it would have been refused for. */
export type Judgement = { refusal: OpenReply } | { shadowed: '' | 'concurrencyLimit' | 'dayLimit' };

export function judge(turn: Turn, command: OpenCommand): Judgement {
  const { shard, now } = turn;
  const { org, user, day, isShadow = false } = command;
  const waiting = queueOf(shard, org);
  const place = placeOf(command);
  const rows = () => rowsOf(turn, periodNames(command, command.period));
  let shadowed: '' | 'concurrencyLimit' | 'dayLimit' = '';
  if (day) {
    const isOther = now < day.startsAt || now >= day.endsAt;
    if (isOther || !isCounted(shard, org, day)) {
      beginCount(shard, org);
      return { refusal: { status: 'uncounted', now, generation: turn.head.generation } };
    }
    const { all, own } = startsOn(shard, org, user, day);
    const by = limitedBy([own, day.memberSessions], [all, day.sessions]);
    if (by !== null && !isShadow) {
      waiting.delete(place);
      const used = by === 'member' ? own : all;
      return { refusal: { status: 'dayLimit', now, used, by, budgets: rows() } };
    }
    if (by !== null) shadowed = 'dayLimit';
  }
  const most = command.concurrentSessions;
  const live = liveOf(shard, org);
  const own = live.filter((session) => session.user === user).length;
  const queue = isShadow || most === null ? null : (command.queue ?? null);
  let ahead = 0;
  if (queue !== null) {
    for (const [waiter, { until }] of waiting) if (until <= now) waiting.delete(waiter);
    ahead = turnOf(waiting, place);
  }
  const by = limitedBy(
    [own, command.memberConcurrentSessions ?? null],
    [live.length + ahead, most],
  );
  if (by !== null && !isShadow) {
    if (by === 'organization' && queue && (waiting.has(place) || ahead < queue.max)) {
      const last = Math.max(...[...waiting.values()].map((waiter) => waiter.turn + 1), 0);
      const at = waiting.get(place)?.turn ?? queue.turn ?? Math.max(now, last);
      waiting.set(place, { turn: at, until: now + queue.leaseMs });
      const before = turnOf(waiting, place);
      return { refusal: { status: 'queued', now, ahead: before, turn: at, budgets: rows() } };
    }
    if (queue !== null) waiting.delete(place);
    const used = by === 'member' ? own : live.length;
    return { refusal: { status: 'concurrencyLimit', now, live: used, by, budgets: rows() } };
  }
  if (queue !== null) waiting.delete(place);
  return { shadowed: shadowed || (by === null ? '' : 'concurrencyLimit') };
}

/** Of two limits that are reached the member's own is named: the nearer one. */
function limitedBy(
  [own, ownMost]: [number, number | null],
  [all, most]: [number, number | null],
): LimitedBy | null {
  if (ownMost !== null && own >= ownMost) return 'member';
  return most !== null && all >= most ? 'organization' : null;
}

function liveOf(shard: ModelShard, org: string): ModelSession[] {
  const sessions = [...shard.sessions.values()];
  return sessions.filter((session) => session.org === org && session.state !== 'ended');
}

/** Where starts are counted, this is one of them. */
export function noteStart(shard: ModelShard, session: ModelSession): void {
  const known = shard.starts.get(session.org)?.at;
  const place = placeOf(session);
  if (known && !known.has(place)) known.set(place, session.startedAt);
}

export function forgetOldStarts(turn: Turn, org: string): void {
  const known = turn.shard.starts.get(org)?.at;
  for (const [place, at] of known ?? []) if (at <= turn.now - KEPT_MS) known!.delete(place);
}

function isCounted(shard: ModelShard, org: string, day: Pick<DayLimits, 'startsAt'>): boolean {
  const since = shard.starts.get(org)?.since ?? null;
  return since !== null && since <= day.startsAt;
}

function beginCount(shard: ModelShard, org: string): void {
  const starts: Starts = shard.starts.get(org) ?? { since: null, at: new Map() };
  shard.starts.set(org, starts);
  for (const session of liveOf(shard, org)) noteStart(shard, session);
}

function startsOn(
  shard: ModelShard,
  org: string,
  user: string,
  { startsAt, endsAt }: Pick<DayLimits, 'startsAt' | 'endsAt'>,
): { all: number; own: number } {
  const ofDay = [...(shard.starts.get(org)?.at ?? [])]
    .filter(([, at]) => at >= startsAt && at < endsAt)
    .map(([place]) => place);
  return { all: ofDay.length, own: ofDay.filter((it) => it.startsWith(`${user}|`)).length };
}

export function count(turn: Turn, command: CountCommand): CountReply {
  const starts = turn.shard.starts.get(command.org);
  if (command.generation !== turn.head.generation || !starts) return { status: 'staleGeneration' };
  for (const start of command.starts) {
    const place = placeOf({ org: command.org, ...start });
    if (!starts.at.has(place)) starts.at.set(place, start.startedAt);
  }
  starts.since = Math.min(starts.since ?? command.since, command.since);
  return { status: 'ok', now: turn.now };
}

function queueOf(shard: ModelShard, org: string): Map<string, Waiter> {
  const known = shard.waiting.get(org) ?? new Map<string, Waiter>();
  shard.waiting.set(org, known);
  return known;
}

/** How many wait before it: all, if it does not wait yet. */
function turnOf(waiting: Map<string, Waiter>, place: string): number {
  const own = waiting.get(place);
  if (own === undefined) return waiting.size;
  const isBefore = ([other, { turn }]: [string, Waiter]) =>
    turn < own.turn || (turn === own.turn && other < place);
  return [...waiting].filter(isBefore).length;
}

export function leaveQueue(turn: Turn, of: Of): { status: 'ok' } {
  queueOf(turn.shard, of.org).delete(placeOf(of));
  return { status: 'ok' };
}

export function places(
  turn: Turn,
  of: { org: string; user: string; day: Pick<DayLimits, 'startsAt' | 'endsAt'> },
): Places {
  const { shard, now } = turn;
  const live = liveOf(shard, of.org);
  const waiters = [...(shard.waiting.get(of.org)?.values() ?? [])];
  const { all, own } = startsOn(shard, of.org, of.user, of.day);
  return {
    status: 'ok',
    now,
    live: live.length,
    memberLive: live.filter((session) => session.user === of.user).length,
    waiting: waiters.filter(({ until }) => until > now).length,
    isCounted: isCounted(shard, of.org, of.day),
    begun: all,
    memberBegun: own,
  };
}
