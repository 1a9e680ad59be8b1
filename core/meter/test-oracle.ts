/**
 * The invariants of a meter, checked around every command against sums of its own: nothing here
 * asks how a figure came about, only whether it can be true. It sees what commands and reads
 * answer, what the test's ledger has, and never the inside of a model or a script.
 */
import { parseBudgetName } from './budget-name.ts';
import type { BeatItem, BeatsReply, Meter } from './commands.ts';
import { shardOf } from './keys.ts';
import type { BudgetRow, SessionRow } from './rows.ts';
import {
  checkBudget,
  checkDraws,
  checkLevels,
  checkNote,
  checkStop,
  demand,
} from './test-oracle-budget.ts';
import type { Driver } from './test-stage.ts';
import { allBudgets, ORGS, SHARDS_USED } from './test-stage.ts';
import type { Subject } from './test-subject.ts';
import { FIRST_LIFE } from './test-subject.ts';

export interface Look {
  budgets: Map<string, BudgetRow>;
  sessions: Map<string, SessionRow>;
}

export interface Watched extends Subject {
  /** set before the first command: whose recorders and ledger there are */
  driver: Driver | null;
  log: string[];
}

/** Which commands change limits or begin anew, so that figures may jump. */
const MOVES_LIMITS = new Set(['seed', 'settled', 'reset', 'adopt', 'extend']);
const READS = /^(read|live|shard|pending)/;

export function watch(subject: Subject): Watched {
  /** turns in which a session was heard, its stop was noted, a budget stopped */
  const heard = new Map<string, number>();
  const noted = new Map<string, number>();
  const stopped = new Map<string, number>();
  const told = new Set<string>();
  let turn = 0;
  let before: Look = { budgets: new Map(), sessions: new Map() };

  async function look(driver: Driver): Promise<Look> {
    const { meter } = subject;
    const budgets = new Map<string, BudgetRow>();
    for (const org of ORGS) {
      const reply = await meter.readBudgets(org, allBudgets(driver, org));
      for (const row of reply.status === 'ok' ? reply.budgets : []) budgets.set(row.name, row);
    }
    const sessions = new Map<string, SessionRow>();
    for (const shard of SHARDS_USED) {
      const reply = await meter.shardSessions(shard);
      const rows = reply.status === 'ok' ? reply.sessions : [];
      for (const row of rows) sessions.set(`${row.org}|${row.session}`, row);
    }
    for (const { org, session } of driver.everyone) {
      if (sessions.has(`${org}|${session}`)) continue;
      const reply = await meter.readSession(org, session);
      if (reply.status === 'ok') sessions.set(`${org}|${session}`, reply.session);
    }
    return { budgets, sessions };
  }

  function check(driver: Driver, name: string, args: unknown[], reply: unknown, after: Look): void {
    // A shard that begins anew has no rows to be compared with.
    const anew = name === 'reset' ? (args[0] as { shard: number }).shard : -1;
    noteWords(name, args, reply, after);
    for (const row of after.budgets.values()) {
      const shard = shardOf(orgOf(row));
      const earlier = shard === anew ? undefined : before.budgets.get(row.name);
      checkBudget(row);
      if (row.stops > (earlier?.stops ?? 0)) stopped.set(row.name, turn);
      if (earlier !== undefined) {
        if (!MOVES_LIMITS.has(name)) checkDraws(earlier, row);
        checkNote(told, driver.generations.get(shard) ?? 0, name, earlier, row);
        checkLevels(earlier, row, driver.now);
        checkStop(earlier, row, driver.now, silentOf(driver, row));
      }
      checkUsed(driver, row, after);
      checkFrontier(row, after);
    }
    for (const [key, row] of after.sessions) {
      checkSession(row, shardOf(row.org) === anew ? undefined : before.sessions.get(key));
    }
  }

  /** Who was heard in this turn: from then on it stands where its state says. */
  function noteWords(name: string, args: unknown[], reply: unknown, after: Look): void {
    const keys: string[] = [];
    const inTime = new Set<string>();
    const { status } = Object(reply) as { status?: string };
    const [first] = args as [{ org: string; session: string }];
    if (name === 'beats') {
      const totals = new Map<string, number>();
      (first as unknown as BeatItem[]).forEach((item, i) => {
        const answer = (reply as BeatsReply).items[i];
        const key = `${item.org}|${item.session}`;
        const knownMs = totals.get(key) ?? before.sessions.get(key)?.totalMs ?? 0;
        const isHeard = answer?.status === 'ok' || answer?.status === 'stopped';
        if (!isHeard || item.totalMs < knownMs) return;
        totals.set(key, answer.totalMs);
        keys.push(key);
        // Stopped by a word behind it in the batch, it has not answered that stop.
        if (answer.status === 'ok') inTime.add(key);
        else inTime.delete(key);
      });
    } else if (
      status === 'opened' ||
      status === 'resumed' ||
      (name === 'assert' && status === 'ok')
    )
      keys.push(`${first.org}|${first.session}`);
    for (const [key, row] of after.sessions) {
      if (before.sessions.get(key)?.period !== row.period) keys.push(key);
    }
    for (const key of keys) heard.set(key, turn);
    for (const [key, row] of after.sessions) {
      const wasStopped = (before.sessions.get(key)?.stoppedBy ?? '') !== '';
      if (row.stoppedBy !== '' && !wasStopped) noted.set(key, inTime.has(key) ? turn + 0.5 : turn);
    }
  }

  /** used = what all sessions were charged in the period: by Redis' rows, else by the ledger. */
  function checkUsed(driver: Driver, row: BudgetRow, { sessions }: Look): void {
    const parsed = parseBudgetName(row.name);
    if (parsed.scope === 'session') return;
    const isMine = (one: { org: string; user: string }) =>
      one.org === parsed.org && (parsed.scope === 'organization' || one.user === parsed.user);
    let usedMs = 0;
    for (const session of sessions.values()) {
      if (isMine(session)) usedMs += chargedIn(session, parsed.period);
    }
    for (const [key, known] of driver.ledger.sessions) {
      if (sessions.has(key) || !isMine(known)) continue;
      for (const [minute, ms] of known.minutes) {
        if (minute.endsWith(`|${parsed.period}`)) usedMs += ms;
      }
    }
    demand(row.usedMs === usedMs, `${row.name} used ${usedMs} by its sessions`, row);
  }

  /** n and s are what the recording sessions say; from its stop to its word one is in neither. */
  function checkFrontier(row: BudgetRow, { sessions }: Look): void {
    let burnRate = 0;
    let frontierSumMs = 0;
    for (const [key, session] of sessions) {
      if (!standsIn(key, session, row)) continue;
      burnRate += 1;
      frontierSumMs += session.chargedUpTo - row.startsAt;
    }
    const said = { burnRate, frontierSumMs };
    const { burnRate: n, frontierSumMs: s } = row;
    demand(n === burnRate && s === frontierSumMs, `${row.name} by its sessions`, said, row);
  }
  function standsIn(key: string, session: SessionRow, row: BudgetRow): boolean {
    const parsed = parseBudgetName(row.name);
    const draws =
      parsed.scope === 'session'
        ? key === `${parsed.org}|${parsed.session}`
        : session.org === parsed.org &&
          session.period === parsed.period &&
          (parsed.scope === 'organization' || session.user === parsed.user);
    if (!draws || session.state !== 'recording') return false;
    const heardAt = heard.get(key) ?? 0;
    const isAnswered = session.stoppedBy !== '' && heardAt >= (noted.get(key) ?? 0);
    return heardAt > (stopped.get(row.name) ?? -1) && !isAnswered;
  }

  /** Sessions of a budget that gave no sign for 2 s of real time. */
  function silentOf(driver: Driver, row: BudgetRow) {
    const silentBefore = driver.now - 2_000 * driver.speed;
    const silent = { count: 0, frontierSumMs: 0 };
    for (const [key, session] of before.sessions) {
      const isSilent = session.chargedUpTo < silentBefore;
      if (!isSilent || !standsIn(key, session, row)) continue;
      silent.count += 1;
      silent.frontierSumMs += session.chargedUpTo - row.startsAt;
    }
    return silent;
  }
  let isConnected = true;
  const watched: Watched = {
    ...subject,
    setRunId: (runId) => {
      isConnected = runId === FIRST_LIFE;
      subject.setRunId(runId);
    },
    driver: null,
    log: [],
    meter: new Proxy({} as Meter, {
      get: (_target, name: keyof Meter) => {
        return async (...args: unknown[]) => {
          const ask = subject.meter[name] as (...args: unknown[]) => Promise<unknown>;
          const reply = await ask.apply(subject.meter, args);
          const { driver } = watched;
          if (READS.test(name) || driver === null || !isConnected) return reply;
          const call = `${name}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`;
          watched.log.push(call, `  → ${JSON.stringify(reply)}`);
          turn += 1;
          const after = await look(driver);
          check(driver, name, args, reply, after);
          before = after;
          return reply;
        };
      },
    }),
    lose: async (shard) => {
      watched.log.push(`lose(${shard})`);
      await subject.lose(shard);
      if (watched.driver !== null) before = await look(watched.driver);
    },
  };
  return watched;
}

function orgOf(row: BudgetRow): string {
  return parseBudgetName(row.name).org;
}

/** What of a session's charged time lies in a period, by its marks. */
export function chargedIn(session: SessionRow, period: number): number {
  const at = session.marks.findIndex((mark) => mark.period === period);
  const mark = session.marks[at];
  if (mark === undefined) return 0;
  return (session.marks[at + 1]?.chargedMs ?? session.chargedMs) - mark.chargedMs;
}

/** Totals and epochs never fall; every millisecond is charged or overshoot; periods only advance. */
function checkSession(row: SessionRow, earlier: SessionRow | undefined): void {
  demand(row.totalMs === row.chargedMs + row.overshootMs, 'total = charged + overshoot', row);
  demand(row.marks.at(-1)?.period === row.period, 'the last mark is of its period', row);
  row.marks.forEach((mark, i) => {
    const next = row.marks[i + 1] ?? { period: Number.POSITIVE_INFINITY, chargedMs: row.chargedMs };
    const isSorted = mark.period < next.period && mark.chargedMs <= next.chargedMs;
    demand(isSorted, 'marks are in order', row);
  });
  if (earlier === undefined) return;
  const grew = (key: 'totalMs' | 'chargedMs' | 'overshootMs') => row[key] >= earlier[key];
  demand(
    grew('totalMs') && grew('chargedMs') && grew('overshootMs'),
    'nothing falls',
    earlier,
    row,
  );
  const { generation, counter } = row.epoch;
  const rose = generation - earlier.epoch.generation || counter - earlier.epoch.counter;
  demand(rose >= 0, 'epochs never fall', earlier, row);
  if (earlier.state === 'ended') {
    const isSame = row.state === 'ended' && row.reason === earlier.reason;
    demand(isSame && row.endedAt === earlier.endedAt, 'a session ends once', earlier, row);
  }
  const stays = earlier.stoppedBy === '' || row.stoppedBy === earlier.stoppedBy;
  demand(stays, 'a stop is final', earlier, row);
}
