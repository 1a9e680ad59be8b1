/**
 * Keeps a session in step with what the meter says of it: the budgets it draws on, their stops and
 * warnings, the period it has moved to, the end that another one brought.
 */
import {
  type BudgetName,
  memberBudget,
  organizationBudget,
  parseBudgetName,
} from '../core/meter/budget-name.ts';
import type { Meter } from '../core/meter/commands.ts';
import type { BudgetRow, SessionRow } from '../core/meter/rows.ts';
import type { Budgets } from './budgets.ts';
import type { Hub } from './hub.ts';
import {
  dismiss,
  GOES_ON_ELSEWHERE,
  isNewer,
  isOthers,
  isOver,
  type LiveSession,
  takeRow,
} from './session.ts';
import type { Ending } from './stopping.ts';
import type { Telling } from './telling.ts';

export interface FollowingOptions {
  meter: Pick<Meter, 'readSession' | 'readBudgets'>;
  budgets: Budgets;
  hub: Hub;
  telling: Telling;
  ending: Ending;
  assert(session: LiveSession): Promise<void>;
}

export interface Following {
  /**
   * Says what is due to a session, or stops it, after something it draws on has changed. With
   * `isOtherLimit` it is sent a tick in any case: a limit is seen within a second, not with the next one.
   */
  review(session: LiveSession, isOtherLimit?: boolean): void;
  /** It draws on the budgets of this row from now on, and on none with stops it has not seen. */
  join(session: LiveSession, row: SessionRow, rows: readonly BudgetRow[]): void;
  /** A session's own budget: it draws on it from now on, if it is here and did not before. */
  drawOwn(row: BudgetRow): void;
  /** Another connection owns it, here or elsewhere. */
  superseded(session: LiveSession): void;
  /** The meter says it is stopped; finds out by what. */
  findStop(session: LiveSession): Promise<void>;
  /** The meter says it has ended: the sweep, or another gateway, did it. */
  findEnd(session: LiveSession): Promise<void>;
  /** It has moved to another period: other budgets, another mark. */
  movePeriod(session: LiveSession): Promise<void>;
  /** False where another connection has owned it since; true also where the meter cannot tell. */
  isOwner(session: LiveSession): Promise<boolean>;
  /** Nobody has told of it for long, and it has no recorder: asks the meter what has become of it. */
  lookUp(session: LiveSession): Promise<void>;
}

export function createFollowing(options: FollowingOptions): Following {
  const { meter, budgets, hub, telling, ending } = options;

  /** Of its present period; its own budget is the same all its life. */
  function budgetsOf(row: SessionRow, own: readonly BudgetName[]): BudgetName[] {
    const { org, user, period } = row;
    return [organizationBudget(org, period), memberBudget(org, user, period), ...own];
  }

  const isOwn = (name: BudgetName) => parseBudgetName(name).scope === 'session';

  function isGoingOn(session: LiveSession): boolean {
    return session.phase.kind === 'recording' || session.phase.kind === 'paused';
  }

  function review(session: LiveSession, isOtherLimit = false): void {
    if (!isGoingOn(session) || !session.wire) return;
    for (const [name, stops] of session.joined) {
      const row = budgets.get(name);
      if (row && row.stops > stops) return ending.stopFor(session, row);
    }
    const news = telling.news(session);
    if (news.length === 0 && !isOtherLimit) return;
    // Behind a tick, whose checkpoint covers the total that they say: should all else be lost, the
    // recorder can prove what it was told (invariant 7).
    session.wire.send(telling.tickText(session), ...news);
  }

  /** `joined`: its stops of budgets that it goes on drawing on; a stop since then is still to come. */
  function draw(
    session: LiveSession,
    row: SessionRow,
    rows: readonly BudgetRow[],
    joined: ReadonlyMap<BudgetName, number>,
  ): void {
    const own = rows.map(({ name }) => name).filter(isOwn);
    const names = budgetsOf(row, own);
    budgets.draw(session, names);
    for (const name of names) {
      const stops = rows.find((known) => known.name === name)?.stops ?? 0;
      session.joined.set(name, joined.get(name) ?? stops);
    }
    budgets.apply(rows);
  }

  async function readRow(session: LiveSession): Promise<SessionRow | null> {
    const reply = await meter.readSession(session.org, session.id).catch(() => null);
    return reply?.status === 'ok' ? reply.session : null;
  }

  function superseded(session: LiveSession): void {
    if (session.phase.kind === 'ended' || session.phase.kind === 'elsewhere') return;
    session.phase = { kind: 'elsewhere' };
    const { wire } = session;
    session.wire = null;
    if (wire) dismiss(wire, 'superseded', GOES_ON_ELSEWHERE);
    hub.retain(session);
  }

  return {
    review,
    drawOwn({ name, quotaMs }) {
      const [, org = '', id = ''] = name.split('|');
      const session = hub.get(org, id);
      if (!session || isOver(session)) return;
      // What is asserted after a recovery: it may have been changed since it began.
      session.limits.sessionLimitMs = quotaMs;
      if (session.joined.has(name)) return;
      budgets.draw(session, [...session.joined.keys(), name]);
      session.joined.set(name, 0);
    },
    join: (session, row, rows) => draw(session, row, rows, new Map()),
    superseded,

    async findStop(session) {
      review(session);
      if (!isGoingOn(session)) return;
      const row = await readRow(session);
      if (!row || row.stoppedBy === '') return;
      if (row.stoppedBy === 'session') return ending.stop(session, 'stoppedByOperator', 'session');
      const reply = await meter.readBudgets(session.org, [row.stoppedBy]).catch(() => null);
      const budget = reply?.status === 'ok' ? reply.budgets[0] : undefined;
      if (budget) ending.stopFor(session, budget);
      else ending.stop(session, 'limitReached', parseBudgetName(row.stoppedBy).scope);
    },

    async findEnd(session) {
      if (isOver(session)) return;
      const row = await readRow(session);
      if (!row) return;
      if (isOthers(session, row)) superseded(session);
      else ending.foundEnded(session, row);
    },

    async movePeriod(session) {
      const row = await readRow(session);
      if (!row || hub.get(session.org, session.id) !== session) return;
      takeRow(session, row);
      const names = budgetsOf(row, [...session.joined.keys()].filter(isOwn));
      const reply = await meter.readBudgets(row.org, names).catch(() => null);
      // It may have ended or gone elsewhere meanwhile, and draws on nothing then.
      if (reply?.status !== 'ok' || hub.get(session.org, session.id) !== session) return;
      draw(session, row, reply.budgets, new Map(session.joined));
      review(session);
    },

    async isOwner(session) {
      const row = await readRow(session);
      return !row || !isNewer(row.epoch, session.epoch);
    },

    async lookUp(session) {
      const reply = await meter.readSession(session.org, session.id);
      if (isOver(session) || reply.status === 'recover') return;
      if (reply.status === 'unknown') return options.assert(session);
      if (isOthers(session, reply.session)) superseded(session);
      else if (reply.session.state === 'ended') ending.foundEnded(session, reply.session);
    },
  };
}
