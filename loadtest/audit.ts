/**
 * The audit: every session and organization of a run, recorder against meter against ledger. Pure.
 * It holds when there are no findings; how late warnings and stops came is measured beside it, not
 * judged (the machine may be busy), but for those that never came or had no reason.
 */
import { auditOrganization, type OrganizationVerdict } from './audit-organization.ts';
import { auditSession, type SessionVerdict } from './audit-session.ts';
import type { Books } from './books.ts';
import type { Finding } from './finding.ts';
import { type Budget, falselyToldOf, latenessOf, untoldOf } from './lateness.ts';
import { recordedMs } from './recorder-log.ts';

export interface AuditResult {
  holds: boolean;
  findings: Finding[];
  sessions: SessionVerdict[];
  organizations: OrganizationVerdict[];
  totals: AuditTotals;
}

export interface AuditTotals {
  /** sessions that were let in */
  sessions: number;
  refused: number;
  connections: number;
  acknowledgedMs: number;
  overshootMs: number;
  ledgerMs: number;
  stopwatchMs: number;
  lostMs: number;
  doubledMs: number;
  overLimitMs: number;
  /** the largest difference of any session: ledger + overshoot − acknowledged */
  worstDifferenceMs: number;
  /** the largest difference between own clock and acknowledged, for each connection of the session */
  worstStopwatchMs: number;
  /** sessions that the meter still held when it was asked */
  inMeter: number;
  stopped: number;
  stoppedExactly: number;
}

/** meter.md promises no stop earlier than this, and that only where a recorder died. */
const EARLIEST_MS = 2_000;

const keyOf = ({ org, session }: { org: string; session: string }) => `${org}|${session}`;

function groupByOrg<It extends { org: string }>(items: readonly It[]): Map<string, It[]> {
  const groups = new Map<string, It[]>();
  for (const item of items) {
    const group = groups.get(item.org);
    if (group) group.push(item);
    else groups.set(item.org, [item]);
  }
  return groups;
}

export function audit(budgets: readonly Budget[], books: Books): AuditResult {
  const ledger = new Map(books.ledgerSessions.map((it) => [keyOf(it), it]));
  const meter = new Map(books.meterSessions.map((it) => [keyOf(it), it]));
  const logs = budgets.flatMap((budget) => budget.logs);
  const sessions = logs.map((log) =>
    auditSession(log, ledger.get(keyOf(log)), meter.get(keyOf(log))),
  );

  const sessionsOf = groupByOrg(books.ledgerSessions);
  const periodsOf = groupByOrg(books.ledgerPeriods);
  const budgetsOf = groupByOrg(books.meterBudgets);
  const organizations = budgets.map(({ org, quotaMs, logs: own }) =>
    auditOrganization({
      ...{ org, quotaMs, logs: own, sessions: sessionsOf.get(org) ?? [] },
      ...{ periods: periodsOf.get(org) ?? [], budgets: budgetsOf.get(org) ?? [] },
    }),
  );

  const findings = [...sessions, ...organizations].flatMap((it) => it.findings);
  findings.push(...budgets.flatMap(tellingFaults));
  const verdicts = sessions.flatMap(({ verdict }) => verdict ?? []);
  const orgVerdicts = organizations.map(({ verdict }) => verdict);
  const sumOf = (kind: Finding['kind']) =>
    findings.reduce((sum, it) => sum + (it.kind === kind ? (it.ms ?? 0) : 0), 0);
  return {
    holds: findings.length === 0,
    findings,
    sessions: verdicts,
    organizations: orgVerdicts,
    totals: {
      sessions: verdicts.length,
      refused: logs.filter(({ refused }) => refused !== null).length,
      connections: logs.reduce((sum, it) => sum + it.connections, 0),
      acknowledgedMs: verdicts.reduce((sum, it) => sum + it.acknowledgedMs, 0),
      overshootMs: verdicts.reduce((sum, it) => sum + it.overshootMs, 0),
      ledgerMs: verdicts.reduce((sum, it) => sum + (it.ledgerMs ?? 0), 0),
      stopwatchMs: logs.reduce((sum, log) => sum + recordedMs(log), 0),
      lostMs: sumOf('lost'),
      doubledMs: sumOf('doubled') + sumOf('unknown'),
      overLimitMs: sumOf('overLimit'),
      worstDifferenceMs: Math.max(0, ...verdicts.map((it) => Math.abs(it.differenceMs ?? 0))),
      worstStopwatchMs: Math.max(0, ...verdicts.map(stopwatchOffMs)),
      inMeter: books.meterSessions.length,
      stopped: orgVerdicts.filter((it) => it.isStopped).length,
      stoppedExactly: orgVerdicts.filter((it) => it.isStopped && it.usedMs === it.quotaMs).length,
    },
  };
}

/** How far the own clock is off, for each connection. */
export function stopwatchOffMs(it: SessionVerdict): number {
  return Math.abs(it.stopwatchMs - it.acknowledgedMs) / Math.max(1, it.connections);
}

function tellingFaults(budget: Budget): Finding[] {
  const of =
    (kind: Finding['kind'], sentence: string) =>
    (it: { org: string; session: string; what: string }) => ({
      ...{ kind, org: it.org, session: it.session, ms: null },
      detail: `${it.what}: ${sentence}`,
    });
  const early = latenessOf(budget).filter(({ lateMs }) => lateMs < -EARLIEST_MS);
  return [
    ...untoldOf(budget).map(of('untold', 'it was there when it was crossed, and was not told')),
    ...falselyToldOf(budget).map(of('falselyTold', 'its recorders never used so much')),
    ...early.map((it) => ({
      ...{ kind: 'early' as const, org: it.org, session: it.session, ms: -it.lateMs },
      detail: `${it.what}: told ${(-it.lateMs).toFixed(0)} ms before its recorders had used so much`,
    })),
  ];
}
