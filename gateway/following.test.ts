import { beforeEach, describe, expect, it } from 'vitest';
import type { BudgetRow, SessionRow } from '../core/meter/rows.ts';
import { budgetRow, sessionRow } from '../core/meter/test-rows.ts';
import { BOUNDARY, START } from '../core/meter/test-world.ts';
import { type Budgets, createBudgets } from './budgets.ts';
import { createFollowing, type Following } from './following.ts';
import { createHub, type Hub } from './hub.ts';
import { createLiveSession, type LiveSession } from './session.ts';
import { startStopwatch } from './stopwatch.ts';

const member = (period: number) => `m|acme|ann|${period}`;
const organization = (period: number) => `o|acme|${period}`;
const OWN = 's|acme|s1';

let session: LiveSession;
let hub: Hub;
let budgets: Budgets;
let following: Following;
let log: string[];
/** what the meter has */
let row: SessionRow;
let rows: BudgetRow[];
/** runs when the meter is asked for budgets, before it answers */
let meanwhile: () => void;

beforeEach(() => {
  log = [];
  meanwhile = () => {};
  row = sessionRow();
  rows = [budgetRow(), budgetRow({ name: member(START) }), budgetRow({ name: OWN, endsAt: null })];
  session = createLiveSession({
    row,
    limits: {
      ...{ saveWindowMs: 1, onMeterFailure: 'continue', meterFailureMs: 1, outageTime: 'charge' },
      ...{ sessionLimitMs: 1, sessionLevels: [] },
    },
    trustCaptured: false,
    stopwatch: startStopwatch(0, 0, true),
    at: 0,
  });
  session.wire = {
    send: (...messages) => void log.push(`sent ${messages.length}`),
    close: (code) => void log.push(`closed ${code}`),
  };
  hub = createHub({ added: () => {}, removed: (it) => budgets.draw(it, []) });
  budgets = createBudgets({
    moved: () => {},
    changed: (_, sessions) => {
      for (const it of sessions) following.review(it);
    },
    gone: () => {},
  });
  following = createFollowing({
    meter: {
      readSession: async () => ({ status: 'ok', now: START, session: row }),
      readBudgets: async (_, names) => {
        meanwhile();
        const budgets = rows.filter(({ name }) => names.includes(name));
        return { status: 'ok', now: START, budgets };
      },
    },
    ...{ budgets, hub },
    telling: { news: () => [] } as never,
    ending: {
      stopFor(it: LiveSession, { name }: BudgetRow) {
        it.phase = { kind: 'ending', reason: 'limitReached' };
        log.push(`stop for ${name}`);
      },
      stop: (_: LiveSession, reason: string) => void log.push(`stop: ${reason}`),
      foundEnded: (_: LiveSession, { reason }: SessionRow) => void log.push(`ended: ${reason}`),
    } as never,
    assert: async () => void log.push('asserted'),
  });
  hub.add(session);
  following.join(session, row, rows);
});

/** The meter has moved it to the next period. */
function move(own: Partial<BudgetRow> = {}): void {
  row = sessionRow({ period: BOUNDARY, totalMs: 1 });
  rows = [
    budgetRow({ name: organization(BOUNDARY), startsAt: BOUNDARY }),
    budgetRow({ name: member(BOUNDARY), startsAt: BOUNDARY }),
    budgetRow({ name: OWN, endsAt: null, ...own }),
  ];
}

describe('a move to the next period', () => {
  it('leaves the budgets of the old one, and keeps its own', async () => {
    move();
    await following.movePeriod(session);
    expect([...budgets.names()].sort()).toEqual(
      [OWN, member(BOUNDARY), organization(BOUNDARY)].sort(),
    );
    expect(session.period).toBe(BOUNDARY);
  });

  it('hides no stop of a budget that it draws on all along', async () => {
    move({ seq: 2, stops: 1, stoppedAt: 7, stopReason: 'limitReached' });
    await following.movePeriod(session);
    expect(log).toEqual([`stop for ${OWN}`]);
  });

  it('of a session that has gone meanwhile draws on nothing', async () => {
    move();
    meanwhile = () => hub.retain(session);
    await following.movePeriod(session);
    expect([...budgets.names()]).toEqual([]);
  });
});

describe('a stop', () => {
  it('concerns who joined the budget before it', () => {
    budgets.apply([budgetRow({ seq: 2, stops: 1 })]);
    expect(log).toEqual([`stop for ${organization(START)}`]);
  });

  it('does not concern who joined after it', () => {
    rows[0] = budgetRow({ seq: 5, stops: 3 });
    following.join(session, row, rows);
    budgets.apply([budgetRow({ seq: 6, stops: 3, usedMs: 1 })]);
    expect(log).toEqual([]);
  });

  it('that the meter tells of is looked up: the budget, or an operator', async () => {
    row = sessionRow({ stoppedBy: member(START) });
    await following.findStop(session);
    session.phase = { kind: 'recording' };
    row = sessionRow({ stoppedBy: 'session' });
    await following.findStop(session);
    expect(log).toEqual([`stop for ${member(START)}`, 'stop: stoppedByOperator']);
  });
});

describe('a session that nobody told of', () => {
  it.each<[string, Partial<SessionRow>, string[]]>([
    ['has ended', { state: 'ended', reason: 'disconnected' }, ['ended: disconnected']],
    ['went elsewhere', { epoch: { generation: 1, counter: 2 } }, ['sent 1', 'closed 4503']],
    [
      'went elsewhere and ended there, as its row says though a recovery has forgotten by whom',
      { state: 'ended', reason: 'stopped' },
      ['sent 1', 'closed 4503'],
    ],
    ['still waits', { state: 'detached' }, []],
  ])('%s', async (_, more, expected) => {
    row = sessionRow(more);
    await following.lookUp(session);
    expect(log).toEqual(expected);
  });

  it('is its own until somebody else has owned it', async () => {
    expect(await following.isOwner(session)).toBe(true);
    row = sessionRow({ epoch: { generation: 2, counter: 1 } });
    expect(await following.isOwner(session)).toBe(false);
  });
});
