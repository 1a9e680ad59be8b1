/** One session: recorder against meter against ledger (invariants 1, 7, 8 and 9), to the millisecond. */
import type { LedgerMinute, LedgerSession, MeterSession } from './books.ts';
import type { Finding, FindingKind } from './finding.ts';
import { type RecorderLog, recordedMs } from './recorder-log.ts';

const MINUTE_MS = 60_000;
/** A connection may cost the recorder's own clock so much: its opening, and what the wire takes. */
export const STOPWATCH_MS_A_CONNECTION = 100;

export interface SessionVerdict {
  org: string;
  session: string;
  reason: string;
  connections: number;
  /** the last that the recorder was told: charged + overshoot */
  acknowledgedMs: number;
  overshootMs: number;
  /** null: the meter had let it go, which it may once the ledger has all of it */
  meterMs: number | null;
  /** sum of its minute records */
  ledgerMs: number | null;
  /** by the recorder's own clock */
  stopwatchMs: number;
  /** ledger + overshoot − acknowledged */
  differenceMs: number | null;
}

export interface AuditedSession {
  verdict: SessionVerdict | null;
  findings: Finding[];
}

export function auditSession(
  log: RecorderLog,
  ledger: LedgerSession | undefined,
  meter: MeterSession | undefined,
): AuditedSession {
  const findings: Finding[] = [];
  const { org, session } = log;
  const find = (kind: FindingKind, ms: number | null, detail: string) =>
    findings.push({ kind, org, session, ms, detail });
  for (const complaint of log.complaints) find('complaint', null, complaint);
  if (log.acknowledgedMs === null) {
    if (ledger) find('unknown', ledger.recordedMs, 'the recorder was never let in');
    // A budget that ran out before it came is what the run is for; anything else is not.
    if (log.refused === null) find('noEnd', null, 'it was never let in, and never refused');
    else if (log.refused !== 'limitReached') find('complaint', null, `refused: ${log.refused}`);
    return { verdict: null, findings };
  }

  const { ended } = log;
  const acknowledgedMs = ended?.recordedMs ?? log.acknowledgedMs;
  const overshootMs = ended?.overshootMs ?? ledger?.overshootMs ?? 0;
  const ledgerMs = ledger === undefined ? null : sumMs(ledger.minutes);
  const stopwatchMs = recordedMs(log);
  const verdict: SessionVerdict = {
    ...{ org, session, reason: ended?.reason ?? log.phase, connections: log.connections },
    ...{ acknowledgedMs, overshootMs, meterMs: meter?.totalMs ?? null, ledgerMs, stopwatchMs },
    differenceMs: ledgerMs === null ? null : ledgerMs + overshootMs - acknowledgedMs,
  };

  if (ended === null) find('noEnd', null, `its last phase is "${log.phase}"`);
  else checkSummary(log, ended, find);
  if (meter) checkMeter(acknowledgedMs, overshootMs, meter, find);
  if (ledger === undefined)
    find('lost', acknowledgedMs - overshootMs, 'the ledger has no such session');
  else checkLedger(verdict, ended !== null, ledger, find);
  const offMs = Math.abs(stopwatchMs - acknowledgedMs);
  if (offMs > STOPWATCH_MS_A_CONNECTION * log.connections) {
    find(
      'stopwatch',
      offMs,
      `own clock ${stopwatchMs.toFixed(1)} ms, acknowledged ${acknowledgedMs} ms over ${log.connections} connections`,
    );
  }
  return { verdict, findings };
}

type Find = (kind: FindingKind, ms: number | null, detail: string) => void;

function checkSummary(
  log: RecorderLog,
  ended: NonNullable<RecorderLog['ended']>,
  find: Find,
): void {
  const { recordedMs: whole, overshootMs, planMs, extraMs, overageMs } = ended;
  if (planMs + extraMs + overageMs + overshootMs !== whole) {
    find('apart', null, 'the sources and the overshoot of its summary are not its recorded time');
  }
  if (log.acknowledgedMs !== null && whole < log.acknowledgedMs) {
    find(
      'lost',
      log.acknowledgedMs - whole,
      `the end says ${whole} ms, ${log.acknowledgedMs} ms were acknowledged before`,
    );
  }
}

function checkMeter(
  acknowledgedMs: number,
  overshootMs: number,
  meter: MeterSession,
  find: Find,
): void {
  const offMs = meter.totalMs - acknowledgedMs;
  if (offMs !== 0)
    find('apart', offMs, `the meter has ${meter.totalMs} ms, the recorder ${acknowledgedMs} ms`);
  if (meter.chargedMs + meter.overshootMs !== meter.totalMs || meter.overshootMs !== overshootMs) {
    find(
      'apart',
      null,
      `the meter says charged ${meter.chargedMs} + overshoot ${meter.overshootMs} of ${meter.totalMs} ms`,
    );
  }
}

function checkLedger(
  verdict: SessionVerdict,
  isEnded: boolean,
  ledger: LedgerSession,
  find: Find,
): void {
  const { acknowledgedMs, differenceMs } = verdict;
  if (ledger.state !== 'closed') find('open', null, `the ledger has it as "${ledger.state}"`);
  const offMs = differenceMs ?? 0;
  const words = `ledger ${verdict.ledgerMs} + overshoot ${verdict.overshootMs}, acknowledged ${acknowledgedMs} ms`;
  if (offMs < 0) find('lost', -offMs, words);
  // A recorder that heard no end may have been charged for more than it was last told.
  if (offMs > 0 && isEnded) find('doubled', offMs, words);
  if (ledger.recordedMs !== acknowledgedMs && isEnded) {
    find(
      'apart',
      ledger.recordedMs - acknowledgedMs,
      `the ledger's session says ${ledger.recordedMs} ms recorded, acknowledged were ${acknowledgedMs} ms`,
    );
  }
  if (ledger.overshootMs !== verdict.overshootMs) {
    find(
      'apart',
      ledger.overshootMs - verdict.overshootMs,
      `overshoot: ledger ${ledger.overshootMs} ms, recorder ${verdict.overshootMs} ms`,
    );
  }
  if (ledger.settledMs !== verdict.ledgerMs) {
    find(
      'apart',
      ledger.settledMs - (verdict.ledgerMs ?? 0),
      `its row says ${ledger.settledMs} ms settled, its minutes ${verdict.ledgerMs} ms`,
    );
  }
  for (const detail of minuteFaults(ledger.minutes)) find('minutes', null, detail);
}

/** Dense from 0, each full but the last, each once a period, sources summing up. */
function minuteFaults(minutes: readonly LedgerMinute[]): string[] {
  const faults: string[] = [];
  const byMinute = new Map<number, number>();
  const seen = new Set<string>();
  for (const { minute, period, ms, planMs, extraMs, overageMs } of minutes) {
    const key = `${minute}/${period}`;
    if (seen.has(key)) faults.push(`minute ${minute} is there twice for one period`);
    seen.add(key);
    byMinute.set(minute, (byMinute.get(minute) ?? 0) + ms);
    if (planMs + extraMs + overageMs !== ms)
      faults.push(`minute ${minute}: its sources are not its ${ms} ms`);
  }
  const last = byMinute.size - 1;
  for (let minute = 0; minute <= last; minute++) {
    const ms = byMinute.get(minute);
    if (ms === undefined) faults.push(`minute ${minute} is missing`);
    else if (ms > MINUTE_MS) faults.push(`minute ${minute} has ${ms} ms`);
    else if (ms < MINUTE_MS && minute < last)
      faults.push(`minute ${minute} has only ${ms} ms and others follow`);
  }
  return faults;
}

function sumMs(minutes: readonly LedgerMinute[]): number {
  return minutes.reduce((sum, { ms }) => sum + ms, 0);
}
