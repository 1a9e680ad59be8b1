/**
 * The ledger in memory, for schedules in their thousands: what is decided is the product's own
 * (`batchOf`, `growthsOf`, `split` with `burn`), and only what SQL stores and reads is done here. The
 * SQL itself is tried by the schedules on a real Postgres (schedule.test.ts).
 */
import type postgres from 'postgres';
import { memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import type { SeedCommand, SettledBudget, Unsettled } from '../../core/meter/commands.ts';
import type { LedgerBase, LimitMode } from '../../core/meter/rows.ts';
import { settledMember } from '../../drizzle/queries/load-seeds.ts';
import { batchOf, type SessionChange } from './batch.ts';
import { minuteKey, sessionKey } from './grouping.ts';
import { createDays, growthsOf, split } from './growth.ts';
import type { LockedPeriod, StoredMinute } from './reads.ts';
import type { Sums } from './sums.ts';

export const ORG = 'acme';
const MONTH = '2026-05-01';

export interface BoughtLot {
  purchase: string;
  grantedMs: number;
  usedMs: number;
}

export interface Books {
  generation: number;
  minutes: Map<string, StoredMinute>;
  sessions: Map<string, SessionChange>;
  periods: Map<number, LockedPeriod>;
  lots: BoughtLot[];
  /** of one sequence for all: limits and grants */
  version: number;
  quotaMs: number | null;
  mode: LimitMode;
  overageCapMs: number | null;
  members: Map<string, number>;
  drawnMs: number;
  sequence: number;
  /** end of the period that begins at `startsAt` */
  endOf(startsAt: number): number;
}

export function createBooks(of: Pick<Books, 'quotaMs' | 'mode' | 'overageCapMs' | 'endOf'>): Books {
  return {
    ...{ ...of, generation: 1, version: 1, drawnMs: 0, sequence: 1, lots: [] },
    ...{ minutes: new Map(), sessions: new Map(), periods: new Map(), members: new Map() },
  };
}

export function periodOf(books: Books, period: number): LockedPeriod {
  let row = books.periods.get(period);
  if (row === undefined) {
    const { quotaMs, mode, overageCapMs, endOf } = books;
    const nothing = { usedMs: 0, planMs: 0, extraMs: 0, overageMs: 0, sequence: 1 };
    row = { org: ORG, period, endsAt: endOf(period), quotaMs, mode, overageCapMs, ...nothing };
    books.periods.set(period, row);
  }
  return row;
}

/** One transaction, by rules 11 to 13: the same again changes nothing. Answers what the meter is told. */
export async function commit(books: Books, items: Unsettled[], now: number): Promise<Sums> {
  const batch = batchOf(items);
  for (const change of batch.sessions) keepSession(books, change);
  for (const { period } of batch.minutes) periodOf(books, period);
  const periods = new Map([...books.periods].map(([start, row]) => [`${ORG}|${start}`, row]));
  const place = { org: ORG, timeZone: 'UTC', drawnMs: books.drawnMs, drawnSequence: 1 };
  const days = createDays(new Map([[ORG, place]]), periods, now);
  const named = batch.minutes.map((it) => ({ ...it, month: MONTH }));
  const grown = growthsOf(named, books.minutes, days);
  await split(lotsOnly(books), grown, periods);
  if (grown.length > 0) books.sequence += 1;
  for (const { growth, begins: _, month: __, user, ...minute } of grown) {
    books.minutes.set(minuteKey(minute), minute);
    const period = periodOf(books, minute.period);
    period.usedMs += growth.ms;
    period.planMs += growth.planMs;
    period.extraMs += growth.extraMs;
    period.overageMs += growth.overageMs;
    period.sequence = books.sequence;
    const member = memberBudget(ORG, user, minute.period);
    books.members.set(member, (books.members.get(member) ?? 0) + growth.ms);
    books.drawnMs += growth.extraMs;
    for (const { purchase, ms } of growth.lots) {
      books.lots.find((lot) => lot.purchase === purchase)!.usedMs += ms;
    }
  }
  return sumsOf(books);
}

/** The one question that the split asks of Postgres: which lots have something left, in burn order. */
function lotsOnly(books: Books): postgres.TransactionSql {
  const rows = books.lots
    .map(({ purchase, grantedMs, usedMs }) => ({ org: ORG, purchase, leftMs: grantedMs - usedMs }))
    .filter((lot) => lot.leftMs > 0);
  const ask = Object.assign(async () => rows, { unsafe: (text: string) => text });
  return ask as unknown as postgres.TransactionSql;
}

function keepSession(books: Books, change: SessionChange): void {
  const key = sessionKey(change);
  const known = books.sessions.get(key);
  if (known === undefined) {
    books.sessions.set(key, { ...change });
    return;
  }
  known.endedAt ??= change.endedAt;
  known.reason ??= change.reason;
  known.recordedMs = Math.max(known.recordedMs, change.recordedMs);
  known.overshootMs = Math.max(known.overshootMs, change.overshootMs);
}

function sumsOf(books: Books): Sums {
  const budgets: SettledBudget[] = [...books.periods.values()].map((it) => {
    const { sequence, usedMs, planMs, extraMs, overageMs } = it;
    const name = organizationBudget(ORG, it.period);
    return { name, sequence, usedMs, planMs, extraMs, overageMs };
  });
  for (const [name, usedMs] of books.members) {
    budgets.push(settledMember(name, null, usedMs, books.sequence));
  }
  return {
    budgets,
    accounts: [{ org: ORG, sequence: books.sequence, drawnMs: books.drawnMs }],
  };
}

/** What a gateway seeds: limits with their versions, and what is settled, of one snapshot. */
export function seedOf(books: Books, period: number, users: string[]): SeedCommand {
  const { generation, version, quotaMs, mode, overageCapMs } = books;
  periodOf(books, period);
  const { budgets, accounts } = sumsOf(books);
  const limit = (name: string, quota: number | null) => ({
    ...{ name, org: ORG, quotaMs: quota, version, mode, overageCapMs },
    ...{ startsAt: period, endsAt: books.endOf(period), levels: [80, 100], crossed: [0, 0] },
    settled: budgets.find((it) => it.name === name) ?? settledMember(name, null, 0, 0),
  });
  const grantedMs = books.lots.reduce((sum, lot) => sum + lot.grantedMs, 0);
  return {
    ...{ org: ORG, generation },
    account: { org: ORG, grantedMs, version, suspended: false, drawn: accounts[0]! },
    budgets: [
      limit(organizationBudget(ORG, period), quotaMs),
      ...users.map((user) => limit(memberBudget(ORG, user, period), null)),
    ],
  };
}

export const minutesOf = (books: Books, session: string) =>
  [...books.minutes.values()]
    .filter((it) => it.session === session)
    .sort((a, b) => a.minute - b.minute || a.period - b.period);

/** What recovery brings back of a session; null: the ledger knows nothing of it. */
export function baseOf(books: Books, session: string): LedgerBase | null {
  const known = books.sessions.get(`${ORG}|${session}`);
  if (known === undefined) return null;
  const mine = minutesOf(books, session);
  const marks: LedgerBase['marks'] = [];
  let chargedMs = 0;
  const starts = [...new Set([known.firstPeriod, ...mine.map((it) => it.period)])];
  for (const period of starts.sort((a, b) => a - b)) {
    marks.push({ period, chargedMs });
    for (const it of mine) if (it.period === period) chargedMs += it.ms;
  }
  const { startedAt, endedAt, reason, overshootMs } = known;
  const end = { ended: endedAt !== null, reason: reason ?? '' };
  return { startedAt, ...end, overshootMs, marks, chargedMs };
}
