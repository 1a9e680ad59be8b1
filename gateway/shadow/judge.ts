/** What an admission would have answered had the plan been enforced: the order is the meter's own. */
import type { BudgetRow } from '../../core/meter/rows.ts';
import type { Binding, RefusalCode } from '../../core/protocol/messages.ts';
import type { Limits } from '../../drizzle/queries/load-limits.ts';

export interface ShadowRefusal {
  reason: Extract<RefusalCode, 'concurrencyLimit' | 'limitReached' | 'plannedTooLong'>;
  binding: Binding;
  unit: 'ms' | 'count';
  used: number;
  allowed: number;
  /** what was asked for, if it said so */
  wanted: number | null;
}

export interface Asked {
  /** its budgets as they were when it was let in; the organization's first */
  budgets: readonly BudgetRow[];
  plannedMs: number | null;
  /** sessions that ran already: of the organization, and of this member */
  running: { all: number; own: number };
  /** the meter counted the starts of the day, and this one was beyond them */
  isBeyondDay: boolean;
}

export function refusedIfEnforced(limits: Limits, asked: Asked): ShadowRefusal | null {
  return byTime(limits, asked) ?? byDay(limits, asked) ?? byCount(limits, asked);
}

function byCount(limits: Limits, { running }: Asked): ShadowRefusal | null {
  const counts = [
    [limits.concurrentSessions, running.all],
    [limits.member?.concurrentSessions ?? null, running.own],
  ] as const;
  for (const [allowed, used] of counts) {
    if (allowed === null || used < allowed) continue;
    const reason = 'concurrencyLimit';
    return { reason, binding: 'concurrency', unit: 'count', used, allowed, wanted: null };
  }
  return null;
}

function byDay(limits: Limits, { isBeyondDay }: Asked): ShadowRefusal | null {
  const counts = [limits.sessionsPerDay, limits.member?.sessionsPerDay ?? null];
  const allowed = Math.min(...counts.map((count) => count ?? Number.POSITIVE_INFINITY));
  if (!isBeyondDay || !Number.isFinite(allowed)) return null;
  const used = allowed;
  return { reason: 'limitReached', binding: 'day', unit: 'count', used, allowed, wanted: null };
}

interface Room {
  binding: 'organization' | 'member' | 'session';
  used: number;
  allowed: number;
}

function byTime(limits: Limits, { budgets, plannedMs }: Asked): ShadowRefusal | null {
  const rooms = budgets.flatMap((row) => roomOf(limits, row));
  const time = { unit: 'ms', wanted: plannedMs } as const;
  for (const room of rooms) {
    if (room.used >= room.allowed) return { reason: 'limitReached', ...room, ...time };
  }
  if (plannedMs === null) return null;
  const { maxSessionMs } = limits;
  if (maxSessionMs !== null) rooms.push({ binding: 'session', used: 0, allowed: maxSessionMs });
  for (const room of rooms) {
    if (plannedMs > room.allowed - room.used) return { reason: 'plannedTooLong', ...room, ...time };
  }
  return null;
}

/** The row itself says that it is unlimited, which is what shadow mode means. */
function roomOf(limits: Limits, row: BudgetRow): Room[] {
  const { quotaMs, planMs, usedMs, overageMs, extraRemainingMs } = row;
  if (quotaMs === null || row.name.startsWith('s|')) return [];
  if (!row.name.startsWith('o|')) return [{ binding: 'member', used: usedMs, allowed: quotaMs }];
  if (limits.atLimit === 'overage' && limits.overageCapMs === null) return [];
  const capMs = limits.atLimit === 'overage' ? limits.overageCapMs! : 0;
  const left =
    Math.max(0, quotaMs - planMs) +
    extraRemainingMs +
    (capMs === 0 ? 0 : Math.max(0, capMs - overageMs));
  return [{ binding: 'organization', used: usedMs, allowed: usedMs + left }];
}
