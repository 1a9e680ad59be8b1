/**
 * The ledger as a schedule needs it: what was settled, split plan first, then extra, then overage,
 * with a sequence for every sum; limits and grants with their versions; what recovery reads.
 */
import { memberBudget, organizationBudget, parseBudgetName } from './budget-name.ts';
import type {
  AccountSeed,
  BudgetSeed,
  SettledAccount,
  SettledBudget,
  Unsettled,
} from './commands.ts';
import type { LedgerBase, SessionRow } from './rows.ts';

const MINUTE_MS = 60_000;

export type Limit = Omit<BudgetSeed, 'settled' | 'crossed'>;
export interface LedgerSession {
  org: string;
  user: string;
  row: SessionRow | null;
  startedAt: number;
  /** `minute|period` → ms */
  minutes: Map<string, number>;
}

export interface Ledger {
  limits: Map<string, Limit>;
  accounts: Map<string, AccountSeed>;
  sums: Map<string, SettledBudget>;
  sessions: Map<string, LedgerSession>;
  /** budgets whose alert was committed: `budget|level` → version */
  alerts: Map<string, number>;
  sequence: number;
  /** the last version given to a limit or a grant: one row of numbers for all, as in Postgres */
  version: number;
}

export function createLedger(): Ledger {
  const maps = { limits: new Map(), accounts: new Map(), sums: new Map(), sessions: new Map() };
  return { ...maps, alerts: new Map(), sequence: 1, version: 1 };
}

/** Keeps what is larger, splits only the growth. Committing twice is a no-op. */
export function commit(ledger: Ledger, items: Unsettled[]): void {
  ledger.sequence += 1;
  for (const item of items) {
    if (item.kind === 'alert') {
      const key = `${item.budget}|${item.level}`;
      ledger.alerts.set(key, Math.max(item.version, ledger.alerts.get(key) ?? 0));
    } else if (item.kind === 'session') {
      const { org, user, startedAt } = item.row;
      const session = sessionOf(ledger, item.row.session, org, user, startedAt);
      session.row = item.row;
    } else {
      const { org, user, startedAt } = item;
      const session = sessionOf(ledger, item.session, org, user, startedAt);
      raiseMinute(ledger, session, item.minute, item.period, item.ms);
    }
  }
}

function sessionOf(ledger: Ledger, id: string, org: string, user: string, startedAt: number) {
  const key = `${org}|${id}`;
  let session = ledger.sessions.get(key);
  if (session === undefined) {
    session = { org, user, row: null, startedAt, minutes: new Map() };
    ledger.sessions.set(key, session);
  }
  return session;
}

function raiseMinute(
  ledger: Ledger,
  session: LedgerSession,
  minute: number,
  period: number,
  ms: number,
): void {
  const key = `${minute}|${period}`;
  const growthMs = ms - (session.minutes.get(key) ?? 0);
  if (growthMs <= 0) return;
  session.minutes.set(key, ms);
  draw(ledger, organizationBudget(session.org, period), session.org, growthMs);
  draw(ledger, memberBudget(session.org, session.user, period), session.org, growthMs);
}

function draw(ledger: Ledger, name: string, org: string, ms: number): void {
  const sums = { ...settledOf(ledger, name), sequence: ledger.sequence };
  const quotaMs = ledger.limits.get(name)?.quotaMs ?? null;
  const planMs = quotaMs === null ? ms : Math.min(ms, Math.max(0, quotaMs - sums.planMs));
  const account = ledger.accounts.get(org);
  let extraMs = 0;
  if (parseBudgetName(name).scope === 'organization' && account !== undefined) {
    const { drawn, grantedMs } = account;
    extraMs = Math.min(ms - planMs, Math.max(0, grantedMs - drawn.drawnMs));
    account.drawn = { org, sequence: ledger.sequence, drawnMs: drawn.drawnMs + extraMs };
  }
  sums.usedMs += ms;
  sums.planMs += planMs;
  sums.extraMs += extraMs;
  sums.overageMs += ms - planMs - extraMs;
  ledger.sums.set(name, sums);
}

export function settledOf(ledger: Ledger, name: string): SettledBudget {
  const nothing = { sequence: 1, usedMs: 0, planMs: 0, extraMs: 0, overageMs: 0 };
  return ledger.sums.get(name) ?? { name, ...nothing };
}

/** Rule 22 (c): a missing minute below a settled one was full. */
export function fillMissingMinutes(ledger: Ledger, org: string): void {
  ledger.sequence += 1;
  for (const session of ledger.sessions.values()) {
    if (session.org !== org) continue;
    const records = recordsOf(session);
    const last = Math.max(-1, ...records.map((record) => record.minute));
    for (let minute = 0; minute < last; minute++) {
      const own = records.filter((record) => record.minute === minute);
      const missingMs = MINUTE_MS - own.reduce((sum, record) => sum + record.ms, 0);
      if (missingMs <= 0) continue;
      const heir = own.at(-1) ?? records.find((record) => record.minute > minute);
      const period = heir?.period ?? 0;
      const ownMs = session.minutes.get(`${minute}|${period}`) ?? 0;
      raiseMinute(ledger, session, minute, period, ownMs + missingMs);
    }
  }
}

function recordsOf(session: LedgerSession) {
  return [...session.minutes]
    .map(([key, ms]) => {
      const [minute = 0, period = 0] = key.split('|').map(Number);
      return { minute, period, ms };
    })
    .sort((a, b) => a.minute - b.minute || a.period - b.period);
}

export function budgetSeed(ledger: Ledger, limit: Limit): BudgetSeed {
  const crossed = limit.levels.map((level) => ledger.alerts.get(`${limit.name}|${level}`) ?? 0);
  return { ...limit, crossed, settled: settledOf(ledger, limit.name) };
}

export function accountOf(ledger: Ledger, org: string): AccountSeed {
  let account = ledger.accounts.get(org);
  if (account === undefined) {
    const drawn: SettledAccount = { org, sequence: 1, drawnMs: 0 };
    account = { org, grantedMs: 0, version: 1, suspended: false, drawn };
    ledger.accounts.set(org, account);
  }
  return account;
}

/** What Postgres answers when the meter does not know a session; null: nor does it. */
export function baseOf(ledger: Ledger, org: string, session: string): LedgerBase | null {
  const known = ledger.sessions.get(`${org}|${session}`);
  if (known === undefined) return null;
  const byPeriod = new Map<number, number>();
  for (const record of recordsOf(known)) {
    byPeriod.set(record.period, (byPeriod.get(record.period) ?? 0) + record.ms);
  }
  if (byPeriod.size === 0) byPeriod.set(known.row?.marks[0]?.period ?? 0, 0);
  let chargedMs = 0;
  const marks = [...byPeriod.keys()]
    .sort((a, b) => a - b)
    .map((start) => {
      const mark = { period: start, chargedMs };
      chargedMs += byPeriod.get(start) ?? 0;
      return mark;
    });
  const { row, startedAt } = known;
  return {
    startedAt,
    ended: (row?.endedAt ?? 0) > 0,
    reason: row?.reason ?? '',
    overshootMs: row?.overshootMs ?? 0,
    marks,
    chargedMs,
    // How it was split is not of interest: that it is remembered, is.
    bySource: {
      planMs: chargedMs - Math.floor(chargedMs / 3),
      extraMs: 0,
      overageMs: Math.floor(chargedMs / 3),
    },
  };
}
