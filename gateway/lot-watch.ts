/**
 * The ends of extra minutes, for organizations that record here: says when the next ones expire and
 * that they did, and ticks all recorders of the organization when a lot or a loan ends, so that the
 * worker, which carries it out a moment later, finds what was recorded until then (rule 4 of
 * worker/ledger/README.md). Asks Postgres when a budget's limits or grants have a new version, and only
 * where there are extra minutes: nothing of it is on the way of a beat.
 */
import { type BudgetName, parseBudgetName } from '../core/meter/budget-name.ts';
import type { BudgetRow } from '../core/meter/rows.ts';
import type { ExtraExpires } from '../core/protocol/messages.ts';
import type { LotDates } from '../drizzle/queries/load-lot-dates.ts';
import type { Alarm } from './alarm.ts';
import { createLane } from './lane.ts';
import { endsAt, nameOf, nextOf, noticesAt, wakeAfter } from './lot-notices.ts';
import type { MeterTime } from './meter-time.ts';
import type { LiveSession } from './session.ts';

/** What expired so long ago, in meter time, is told to who was away meanwhile. */
export const EXPIRED_TOLD_MS = 10 * 60_000;
/** Real ms; Postgres was away. */
const AGAIN_MS = 5_000;
const LOADS_AT_ONCE = 4;
/** setTimeout fires at once beyond 2^31 − 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const UNKNOWN = 'when extra minutes expire is not known: Postgres was asked in vain';

interface Watched {
  readonly org: string;
  /** organizations' budgets that are drawn on here, of one or two periods */
  readonly names: Set<BudgetName>;
  /** of limits and grants: with a newer one the dates are asked for anew */
  version: number;
  /** null: not known yet, or no extra minutes */
  dates: LotDates | null;
  timer: NodeJS.Timeout | null;
  /** the instant for which the timer is set, and the last one for which it fired */
  wakesAt: number;
  wokeAt: number;
  isLoading: boolean;
  /** something came while it was being asked */
  isStale: boolean;
}

/** What one recorder was told: ids of notices, and what is next. */
interface Told {
  ids: Set<string>;
  next: string;
}

export interface LotWatchOptions {
  time: MeterTime;
  load(org: string, since: number): Promise<LotDates>;
  sessionsOn(name: BudgetName): ReadonlySet<LiveSession>;
  tick(session: LiveSession): void;
  alarm: Alarm;
}

export interface LotWatch {
  /** A row of a budget that is drawn on here, new or with something new to tell. */
  changed(row: BudgetRow): void;
  /** Nobody here draws on it any more. */
  gone(name: BudgetName): void;
  /** The next extra minutes to expire, as far as is known. */
  next(org: string): ExtraExpires | null;
  /** The session has just been told `next`. */
  began(session: LiveSession): void;
  stop(): Promise<void>;
}

export function createLotWatch(options: LotWatchOptions): LotWatch {
  const { time, sessionsOn } = options;
  const watched = new Map<string, Watched>();
  const told = new WeakMap<LiveSession, Told>();
  const loading = createLane(LOADS_AT_ONCE);
  let isStopped = false;

  const isWatched = (it: Watched) => !isStopped && watched.get(it.org) === it;

  function* sessionsOf(it: Watched): Iterable<LiveSession> {
    for (const name of it.names) yield* sessionsOn(name);
  }

  async function load(it: Watched): Promise<void> {
    if (it.isLoading) {
      it.isStale = true;
      return;
    }
    it.isLoading = true;
    try {
      do {
        it.isStale = false;
        const since = time.now() - EXPIRED_TOLD_MS;
        it.dates = await loading(() => options.load(it.org, since));
      } while (it.isStale && isWatched(it));
    } catch (error) {
      options.alarm(it.org, { err: error, org: it.org }, UNKNOWN);
      if (isWatched(it)) setTimer(it, time.now(), AGAIN_MS);
      return;
    } finally {
      it.isLoading = false;
    }
    if (!isWatched(it)) return;
    for (const session of sessionsOf(it)) say(session, it.dates);
    arm(it);
  }

  function say(session: LiveSession, dates: LotDates): void {
    const { wire, phase } = session;
    const before = told.get(session);
    if (!wire || !before || (phase.kind !== 'recording' && phase.kind !== 'paused')) return;
    const isSame = before.next === nameOf(dates);
    before.next = nameOf(dates);
    for (const message of noticesAt(dates, time.now())) {
      const { id, notice, expired } = message;
      const isOfBefore = expired !== undefined && expired.at < session.startedAt;
      const isKnown = notice === 'changed' ? isSame : before.ids.has(id);
      // Another lot is next, of which it was told at another time: it hears that it is next again.
      if (isOfBefore || (isKnown && (isSame || notice === 'expired'))) continue;
      before.ids.add(id);
      wire.send(message);
    }
  }

  function arm(it: Watched): void {
    const at = it.dates && wakeAfter(it.dates, Math.max(time.now(), it.wokeAt));
    if (at !== null) setTimer(it, at, time.realMsTo(at));
  }

  function setTimer(it: Watched, at: number, realMs: number): void {
    if (it.timer) clearTimeout(it.timer);
    it.wakesAt = at;
    it.timer = setTimeout(wake, Math.min(Math.max(0, Math.ceil(realMs)), MAX_TIMER_MS), it);
  }

  function wake(it: Watched): void {
    it.timer = null;
    const leftMs = time.realMsTo(it.wakesAt);
    // The clock was set back, or it is further ahead than a timer goes.
    if (leftMs > 1) return setTimer(it, it.wakesAt, leftMs);
    it.wokeAt = it.wakesAt;
    if (it.dates && endsAt(it.dates, it.wokeAt)) {
      for (const session of sessionsOf(it)) options.tick(session);
    }
    // What is left is told as it is settled by now.
    void load(it);
  }

  function forget(it: Watched): void {
    if (it.timer) clearTimeout(it.timer);
    watched.delete(it.org);
  }

  return {
    changed(row) {
      const parsed = parseBudgetName(row.name);
      if (isStopped || parsed.scope !== 'organization') return;
      const { org } = parsed;
      let it = watched.get(org);
      if (it === undefined) {
        it = {
          ...{ org, names: new Set<BudgetName>(), version: -1, dates: null, timer: null },
          ...{ wakesAt: 0, wokeAt: 0, isLoading: false, isStale: false },
        };
        watched.set(org, it);
      }
      it.names.add(row.name);
      if (row.version <= it.version) return;
      it.version = row.version;
      // Nothing to expire, and nothing that was said of it.
      if (row.extraRemainingMs > 0 || it.dates !== null) void load(it);
    },
    gone(name) {
      const parsed = parseBudgetName(name);
      const it = parsed.scope === 'organization' ? watched.get(parsed.org) : undefined;
      it?.names.delete(name);
      if (it?.names.size === 0) forget(it);
    },
    next(org) {
      const dates = watched.get(org)?.dates;
      return dates ? nextOf(dates) : null;
    },
    began(session) {
      const dates = watched.get(session.org)?.dates ?? null;
      told.set(session, { ids: new Set(), next: dates ? nameOf(dates) : 'none' });
      if (dates) say(session, dates);
    },
    async stop() {
      isStopped = true;
      for (const it of watched.values()) forget(it);
    },
  };
}
