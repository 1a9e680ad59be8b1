/** One organization: sums of its minutes, its periods, its budget in the meter, its limit. */
import type { LedgerPeriod, LedgerSession, MeterBudget } from './books.ts';
import type { Finding, FindingKind } from './finding.ts';
import { crossingsOf, STOP } from './lateness.ts';
import { isAwayAt } from './oracle.ts';
import type { RecorderLog } from './recorder-log.ts';

export interface OrganizationVerdict {
  org: string;
  recorders: number;
  quotaMs: number | null;
  usedMs: number;
  overshootMs: number;
  /** its recorders were stopped at the limit */
  isStopped: boolean;
  /** nobody left, paused or stopped by itself around the stop: then billed must be the limit */
  isQuiet: boolean;
}

export interface AuditedOrganization {
  verdict: OrganizationVerdict;
  findings: Finding[];
}

export interface OrganizationBooks {
  org: string;
  quotaMs: number | null;
  logs: readonly RecorderLog[];
  sessions: readonly LedgerSession[];
  periods: readonly LedgerPeriod[];
  budgets: readonly MeterBudget[];
}

/** Rule 6: whoever proved nothing for so long before a stop is not projected. */
const QUIET_BEFORE_MS = 2_000;

export function auditOrganization(books: OrganizationBooks): AuditedOrganization {
  const { org, quotaMs, logs, sessions, periods } = books;
  const findings: Finding[] = [];
  const find = (
    kind: FindingKind,
    ms: number | null,
    detail: string,
    session: string | null = null,
  ) => findings.push({ kind, org, session, ms, detail });

  for (const period of periods) checkPeriod(books, period, find);
  for (const budget of books.budgets) checkBudget(periods, budget, find);
  const ofPeriods = new Set(periods.map(({ period }) => period));
  const stray = sessions
    .flatMap(({ minutes }) => minutes)
    .filter((it) => !ofPeriods.has(it.period));
  if (stray.length > 0) find('apart', null, `${stray.length} of its minutes have no period`);
  const known = new Set(logs.map(({ session }) => session));
  for (const { session, recordedMs } of sessions) {
    if (!known.has(session)) find('unknown', recordedMs, 'no recorder made this session', session);
  }

  const usedMs = periods.reduce((sum, it) => sum + it.usedMs, 0);
  const overshootMs = sessions.reduce((sum, it) => sum + it.overshootMs, 0);
  const isStopped = logs.some(({ stop }) => stop?.reason === 'limitReached');
  const isQuiet = isStopped && wasQuiet(books);
  if (isQuiet && periods.length === 1 && usedMs !== quotaMs) {
    find(
      'notExact',
      (quotaMs ?? 0) - usedMs,
      `the limit is ${quotaMs} ms, ${usedMs} ms were billed, and everybody answered`,
    );
  }
  const verdict = { org, recorders: logs.length, quotaMs, usedMs, overshootMs, isStopped, isQuiet };
  return { verdict, findings };
}

type Find = (kind: FindingKind, ms: number | null, detail: string) => void;

function checkPeriod(books: OrganizationBooks, period: LedgerPeriod, find: Find): void {
  const { usedMs, planMs, extraMs, overageMs, quotaMs, cachedMs } = period;
  const minutes = books.sessions
    .flatMap((session) => session.minutes)
    .filter((minute) => minute.period === period.period);
  const sumMs = minutes.reduce((sum, { ms }) => sum + ms, 0);
  if (sumMs !== usedMs)
    find('apart', usedMs - sumMs, `its period says ${usedMs} ms, its minutes ${sumMs} ms`);
  if (planMs + extraMs + overageMs !== usedMs)
    find('apart', null, `its period's sources are not its ${usedMs} ms`);
  if (cachedMs !== usedMs)
    find(
      'apart',
      cachedMs - usedMs,
      `its monthly cache says ${cachedMs} ms, its period ${usedMs} ms`,
    );
  if (quotaMs !== null && usedMs > quotaMs)
    find('overLimit', usedMs - quotaMs, `${usedMs} ms of ${quotaMs} ms`);
}

function checkBudget(periods: readonly LedgerPeriod[], budget: MeterBudget, find: Find): void {
  const settledMs = periods.find(({ period }) => period === budget.period)?.usedMs ?? 0;
  const offMs = budget.usedMs - settledMs;
  if (offMs !== 0)
    find('apart', offMs, `the meter's budget says ${budget.usedMs} ms, the ledger ${settledMs} ms`);
  if (budget.burnRate !== 0)
    find('apart', null, `the meter believes ${budget.burnRate} sessions to be recording still`);
  if (budget.quotaMs !== null && budget.usedMs > budget.quotaMs) {
    find(
      'overLimit',
      budget.usedMs - budget.quotaMs,
      `the meter's budget: ${budget.usedMs} ms of ${budget.quotaMs} ms`,
    );
  }
}

/** Nobody's recording began or ended by itself, and nobody was away, from shortly before the stop on. */
function wasQuiet({ org, quotaMs, logs }: OrganizationBooks): boolean {
  const crossing = crossingsOf({ org, quotaMs, logs }).find(({ what }) => what === STOP);
  if (!crossing) return false;
  const stops = logs.flatMap(({ stop }) => (stop === null ? [] : [stop.atMs]));
  const fromMs = Math.min(crossing.trueMs, ...stops) - QUIET_BEFORE_MS;
  const toMs = Math.max(crossing.trueMs, ...stops);
  const within = (atMs: number) => atMs >= fromMs && atMs <= toMs;
  return logs.every((log) => {
    if (isAwayAt(log, fromMs, toMs)) return false;
    return log.recording.every((span) => {
      const wasStopped = log.stop !== null && span.toMs >= log.stop.atMs;
      return wasStopped || !within(span.toMs);
    });
  });
}
