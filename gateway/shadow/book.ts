/**
 * Writes down what was let in or allowed by shadow mode alone. Nobody waits for it: a recorder has its
 * `started` by then, a check its answer. (What would have been stopped, the worker finds in the ledger.)
 */
import type { Meter } from '../../core/meter/commands.ts';
import { LimitMode, type SessionRow } from '../../core/meter/rows.ts';
import type { Log } from '../../core/runtime/log.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import type { Limits } from '../../drizzle/queries/load-limits.ts';
import type { ShadowDecision } from '../../drizzle/queries/save-shadow.ts';
import type { Admitted } from '../admission.ts';
import type { Ledger } from '../ledger.ts';
import { type Asked, refusedIfEnforced } from './judge.ts';

/** Beyond them Postgres is away for longer than such a word is worth. */
const PAUSES_MS = [1_000, 5_000, 30_000] as const;
/** Words that may wait at a time. */
const MAX_WAITING = 10_000;

export interface ShadowBook extends Stoppable {
  /** A recorder was let in. Never throws. */
  admitted(start: Pick<Admitted, 'opened' | 'plannedMs'>): void;
  /** The plan alone would have refused it. Never throws. */
  decided(decision: ShadowDecision): void;
}

export interface ShadowBookOptions {
  limits: Ledger['limits'];
  liveSessions: Meter['liveSessions'];
  save(decision: ShadowDecision): Promise<void>;
  log: Log;
}

export function createShadowBook(options: ShadowBookOptions): ShadowBook {
  const { liveSessions, save, log } = options;
  const underWay = new Set<Promise<void>>();
  const timers = new Map<NodeJS.Timeout, () => void>();
  let isStopped = false;

  /** Those that began before it, as the meter counted them when it was let in. */
  async function running(limits: Limits, session: SessionRow): Promise<Asked['running']> {
    const isLimited =
      limits.concurrentSessions !== null || (limits.member?.concurrentSessions ?? null) !== null;
    if (!isLimited) return { all: 0, own: 0 };
    const live = await liveSessions(session.org);
    if (live.status !== 'ok') return { all: 0, own: 0 };
    const before = live.sessions.filter(
      (it) =>
        it.startedAt < session.startedAt ||
        (it.startedAt === session.startedAt && it.session < session.session),
    );
    const own = before.filter((it) => it.user === session.user);
    return { all: before.length, own: own.length };
  }

  async function note(opened: Admitted['opened'], plannedMs: number | null) {
    const { session, budgets } = opened;
    const limits = await options.limits(session.org, session.user);
    if (!limits?.isShadow) return;
    const isBeyondDay = opened.status === 'opened' && opened.shadowed === 'dayLimit';
    const asked = { budgets, plannedMs, running: await running(limits, session), isBeyondDay };
    const refused = refusedIfEnforced(limits, asked);
    if (refused === null) return;
    const { org, user, session: id, period, startedAt } = session;
    await keep({
      org,
      user,
      session: id,
      period,
      what: 'refused',
      decidedAt: startedAt,
      ...refused,
    });
  }

  async function keep(decision: ShadowDecision): Promise<void> {
    for (const pauseMs of [...PAUSES_MS, null]) {
      try {
        return await save(decision);
      } catch (error) {
        if (pauseMs === null || isStopped || timers.size >= MAX_WAITING) throw error;
        await pause(pauseMs);
      }
    }
  }

  function beside(work: Promise<void>, of: { org: string; session: string | null }): void {
    const noting = work
      .catch((error) => log.warn({ err: error, ...of }, 'a shadow decision is lost'))
      .finally(() => underWay.delete(noting));
    underWay.add(noting);
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        resolve();
      }, ms);
      timers.set(timer, resolve);
    });
  }

  return {
    admitted({ opened, plannedMs }) {
      // What resumes was let in before; and nobody is asked where nothing is in shadow mode.
      const isShadow = opened.budgets.some(({ mode }) => mode === LimitMode.shadow);
      if (opened.status !== 'opened' || !isShadow) return;
      const { org, session } = opened.session;
      beside(note(opened, plannedMs), { org, session });
    },
    decided(decision) {
      const { org, session = null } = decision;
      if (underWay.size < MAX_WAITING) beside(keep(decision), { org, session });
    },
    async stop() {
      isStopped = true;
      for (const [timer, resolve] of timers) {
        clearTimeout(timer);
        resolve();
      }
      timers.clear();
      await Promise.all(underWay);
    },
  };
}
