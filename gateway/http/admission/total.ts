/**
 * A session's total, told over HTTP by whichever gateway is asked: charged by the same script, in the
 * same step, as a beat. Totals are cumulative, so that repeats, reorderings and races count once.
 */
import {
  memberBudget,
  organizationBudget,
  parseBudgetName,
} from '../../../core/meter/budget-name.ts';
import { shardOf } from '../../../core/meter/keys.ts';
import type { BudgetRow, SessionRow } from '../../../core/meter/rows.ts';
import type { Queryable } from '../../../drizzle/client.ts';
import type { HttpDeps } from '../deps.ts';
import { recovering } from '../live-budgets.ts';
import { ProblemError } from '../problem.ts';
import { baseOfLease, endLease, type Lease } from './lease.ts';
import { openingWithin, seedingWithin } from './opening.ts';

/**
 * A week. The script lays every minute of a word in one step, and Redis does nothing else meanwhile: a
 * total without a bound would stand still for all.
 */
export const MAX_FILE_MS = 7 * 24 * 3_600_000;

/** Rounds in which another gateway, a recovery or a new period may come between. */
const ROUNDS = 8;

export interface Told {
  row: SessionRow;
  budgets: BudgetRow[];
  now: number;
  /** null: it goes on; else why it must stop */
  stop: string | null;
}

/**
 * @param db the request's own transaction, if it is in one
 * @param totalMs null: nothing new, only a sign of life
 * @throws 422 `totalBeyondTime` where a recording would be longer than it can be, or a file than it may;
 * 409 `sessionEnded`
 */
export async function tellTotal(
  deps: HttpDeps,
  db: Queryable,
  lease: Lease,
  totalMs: number | null,
): Promise<Told> {
  const { org, session } = lease;
  for (let round = 0; round < ROUNDS; round++) {
    const read = await deps.meter.readSession(org, session);
    if (read.status === 'recover') throw recovering(deps, org);
    if (read.status === 'unknown') {
      await bringBack(deps, db, lease);
      continue;
    }
    const { session: row, now } = read;
    const claimedMs = Math.max(row.totalMs, totalMs ?? 0);
    if (lease.minutesOf === 'recording') refuseBeyondTime(row, claimedMs, now);
    else refuseBeyondFile(row, claimedMs);
    // A file's minutes are no matter of time: it stands in no projection.
    const state = lease.minutesOf === 'file' ? 'paused' : 'recording';
    const word = { org, session, epoch: row.epoch, totalMs: claimedMs, ageMs: 0, state } as const;
    const { items, minutes } = await deps.meter.beats([word], deps.now());
    for (const { shard, fields } of minutes) deps.ready?.(shard, fields);
    const item = items[0] ?? null;
    if (item === null || item.status === 'recover') throw recovering(deps, org);
    if (item.status === 'superseded' || item.status === 'unknown') continue;
    if (item.missingPeriod !== null) {
      const names = [
        organizationBudget(org, item.missingPeriod),
        memberBudget(org, lease.user, item.missingPeriod),
      ];
      await seedingWithin(deps, db).seed(org, names);
      continue;
    }
    return standing(deps, lease);
  }
  throw new ProblemError('meterUnavailable', 'The meter is busy with this session: try again.');
}

async function standing(deps: HttpDeps, { org, session }: Lease): Promise<Told> {
  const read = await deps.meter.readSession(org, session);
  if (read.status === 'recover') throw recovering(deps, org);
  if (read.status === 'unknown') throw hasEnded(session);
  const { session: row, now } = read;
  const names = [organizationBudget(org, row.period), memberBudget(org, row.user, row.period)];
  const reply = await deps.meter.readBudgets(org, [...names, `s|${org}|${session}`]);
  if (reply.status === 'recover') throw recovering(deps, org);
  return { row, budgets: reply.budgets, now, stop: stopOf(row, reply.budgets) };
}

function stopOf(row: SessionRow, budgets: BudgetRow[]): string | null {
  if (row.state === 'ended') return row.reason;
  if (row.stoppedBy === '') return null;
  if (row.stoppedBy === 'session') return 'stoppedByOperator';
  if (parseBudgetName(row.stoppedBy).scope === 'session') return 'sessionLimit';
  return budgets.find(({ name }) => name === row.stoppedBy)?.stopReason || 'limitReached';
}

/** Ends it with what is proven. Repeated, it ends nothing more. */
export async function endLeased(
  deps: HttpDeps,
  db: Queryable,
  lease: Lease,
  { row }: Told,
  reason: string,
): Promise<SessionRow> {
  const { org, session } = lease;
  let ended = row;
  if (row.state !== 'ended') {
    const by = { owner: row.epoch, totalMs: row.totalMs, ageMs: 0 };
    const gatewayWallMs = deps.now();
    const reply = await deps.meter.close({ org, session, reason, by, gatewayWallMs });
    if (reply.status === 'recover') throw recovering(deps, org);
    if (reply.status === 'ended') {
      deps.ready?.(shardOf(org), reply.minutes);
      ended = reply.session;
    }
  }
  await endLease(db, org, session, deps.now());
  return ended;
}

/** The meter lost it: it comes back as the ledger has it, and the next total says the rest. */
async function bringBack(deps: HttpDeps, db: Queryable, lease: Lease): Promise<void> {
  const { org, session, user, period } = lease;
  if (lease.endedAt !== null) throw hasEnded(session);
  const open = openingWithin(deps, db, { user, base: baseOfLease(lease) });
  const opened = await open({
    ...{ session, org, user, period, isFresh: false, mayBeNew: false, plannedMs: null },
    ...{ witness: null, authenticates: false, startedAt: null, memoryMs: 0, countedGapMs: 0 },
    ...{ concurrentSessions: null, sessionLimitMs: null, sessionLevels: [] },
    ...{ isAwaited: () => true, dayAt: () => null, wait: null },
  });
  if (opened?.status === 'ended') throw hasEnded(session);
}

function refuseBeyondTime(row: SessionRow, claimedMs: number, now: number): void {
  const mostMs = Math.max(row.totalMs, now - row.startedAt);
  if (claimedMs <= mostMs) return;
  throw new ProblemError(
    'totalBeyondTime',
    `The session "${row.session}" began ${mostMs} ms ago and cannot have recorded ${claimedMs} ms. ` +
      'Send the milliseconds recorded so far; for a file that exists already, start it with "minutesOf": "file".',
    { errors: [{ pointer: '/totalMs', detail: `must be ${mostMs} or less now` }] },
  );
}

function refuseBeyondFile(row: SessionRow, claimedMs: number): void {
  if (claimedMs <= Math.max(row.totalMs, MAX_FILE_MS)) return;
  throw new ProblemError(
    'totalBeyondTime',
    `A file may have ${MAX_FILE_MS} ms (a week), and ${claimedMs} ms of "${row.session}" were told. ` +
      'Send milliseconds, and a longer one as several sessions.',
    { errors: [{ pointer: '/totalMs', detail: `must be ${MAX_FILE_MS} or less` }] },
  );
}

export function hasEnded(session: string): ProblemError {
  return new ProblemError(
    'sessionEnded',
    `The session "${session}" has ended, and the ledger has all of it. Start a new one.`,
  );
}
