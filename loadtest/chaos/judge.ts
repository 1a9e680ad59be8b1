/**
 * What holds after a round of faults. The load test's audit says where recorder and ledger differ, to
 * the millisecond; here is what a fault excuses, each with its reason. Nothing excuses a millisecond
 * that was doubled, or charged past a limit.
 */
import { type AuditResult, audit } from '../audit.ts';
import type { Books } from '../books.ts';
import type { Finding } from '../finding.ts';
import type { Budget } from '../lateness.ts';
import { type RecorderLog, recordedMs, type Span } from '../recorder-log.ts';
import type { Struck } from './schedule.ts';
import { uncountedMs } from './uncounted-gaps.ts';

export interface Judgement {
  audit: AuditResult;
  /** Any of them fails the round. */
  findings: Finding[];
  /** What had no witness left: Redis forgot it, its gateway was killed, its recorder was gone. */
  unwitnessedMs: number;
  /** Time of which the rules leave open whether it counts, by the recorders' own logs. */
  unsureMs: number;
  /** Gaps that the rules let go: across a step of Redis' clock, or of who was stopped meanwhile. */
  uncountedMs: number;
  /** From a loss, with stores and another gateway at hand, to `started`. */
  resumes: Resume[];
}

export interface Resume {
  session: string;
  /** from when it wanted to be back */
  fromMs: number;
  ms: number;
}

/** Opening a connection and what the wire takes, each side of a recording. */
const STOPWATCH_MS = 100;
/** Who leaves without a word is charged up to the last tick that it answered, and was told one before. */
const VANISHED_MS = 2_500;
/** A fault is felt for so long after it is put right. */
const AFTER_MS = 2_500;
/** A session that ended is in the ledger by then; until then its gateway and Redis know of it. */
const SETTLING_MS = 8_000;
/** What a recorder that is not let in during a fault may be told. */
const EXCUSED_REFUSALS = ['meterUnavailable', 'serverFull', 'draining'];

export interface Circumstances {
  struck: readonly Struck[];
  /** so long a session without a connection waits for its recorder */
  resumeWindowMs: number;
}

export function judge(
  budgets: readonly Budget[],
  books: Books,
  { struck, resumeWindowMs }: Circumstances,
): Judgement {
  const audited = audit(budgets, books);
  const logs = new Map(
    budgets.flatMap((budget) => budget.logs.map((log) => [keyOf(log), log] as const)),
  );
  // What a recorder was told last may be less: it left, or its stores were away.
  const billedMs = new Map(
    audited.sessions.map((it) => [
      keyOf(it),
      Math.max(it.acknowledgedMs, (it.ledgerMs ?? 0) + it.overshootMs),
    ]),
  );
  const logOf = (it: Finding) => (it.session === null ? undefined : logs.get(keyOf(it)));
  // Of time past a limit only the record can be short: it is not billed.
  const isShort = ({ kind, ms }: Finding) => kind === 'lost' || (kind === 'apart' && (ms ?? 0) < 0);
  const unwitnessed = audited.findings.filter((it) => {
    const log = logOf(it);
    return isShort(it) && log !== undefined && !hadWitness(log, struck);
  });
  const excused = new Set(unwitnessed.map(keyOf));
  const findings = audited.findings.filter((finding) => {
    const log = logOf(finding);
    // It was away for so long that its session was ended; that it was told so is right.
    const wasGivenUp =
      log?.away.some(({ fromMs, toMs }) => toMs - fromMs > resumeWindowMs) ?? false;
    switch (finding.kind) {
      case 'stopwatch':
        return (
          log !== undefined &&
          !wasGivenUp &&
          !isWithinDoubt(log, billedMs.get(keyOf(log)) ?? 0, struck)
        );
      case 'noEnd':
        return !(log?.hasVanished || wasGivenUp || (log && wasForgottenAtEnd(log, struck)));
      case 'complaint':
        if (finding.detail.startsWith('lost: ')) return !wasGivenUp;
        return !EXCUSED_REFUSALS.some((code) => finding.detail === `refused: ${code}`);
      case 'unknown':
        return finding.ms !== 0;
      // Less stands in each book, not only in one.
      case 'lost':
      case 'apart':
        return !excused.has(keyOf(finding));
      // Who could not be told, or was told by a clock that ran wrong; they are counted, not judged.
      case 'early':
      case 'untold':
      case 'falselyTold':
      case 'notExact':
        return false;
      default:
        return true;
    }
  });
  return {
    ...{ audit: audited, findings },
    unwitnessedMs: unwitnessedMs(unwitnessed),
    unsureMs: [...logs.values()].reduce((sum, log) => sum + log.unsureMs, 0),
    uncountedMs: [...logs.values()].reduce(
      (sum, log) => sum + uncountedMs(log, billedMs.get(keyOf(log)) ?? 0, struck),
      0,
    ),
    resumes: [...logs.values()].flatMap((log) => resumesOf(log, struck)),
  };
}

/** Of each session the most that any book says. */
function unwitnessedMs(findings: readonly Finding[]): number {
  const most = new Map<string, number>();
  for (const it of findings) {
    most.set(keyOf(it), Math.max(most.get(keyOf(it)) ?? 0, Math.abs(it.ms ?? 0)));
  }
  return [...most.values()].reduce((sum, ms) => sum + ms, 0);
}

const keyOf = ({ org, session }: { org: string; session: string | null }) => `${org}|${session}`;

const meets = ({ fromMs, toMs }: Span, it: Struck, afterMs = AFTER_MS) =>
  it.fromMs <= toMs && it.toMs + afterMs >= fromMs;

/** Faults that can keep a word between recorder and meter on its way. */
const delays = ({ touches }: Struck) =>
  touches.some((it) => it === 'door' || it === 'gateway' || it === 'redis' || it === 'postgres');

/**
 * The recorder's own clock may differ by what its log can't decide, and by how long a fault kept the
 * words on their way that begin and end its recording.
 */
function isWithinDoubt(log: RecorderLog, countedMs: number, struck: readonly Struck[]): boolean {
  const edges = log.recording.flatMap(({ fromMs, toMs }) => [fromMs, toMs]);
  const delaysMs = edges.flatMap((atMs) =>
    struck
      .filter((it) => delays(it) && meets({ fromMs: atMs, toMs: atMs }, it))
      .map((it) => it.toMs - it.fromMs + AFTER_MS),
  );
  const sum = delaysMs.reduce((total, ms) => total + ms, 0);
  const vanishedMs = log.hasVanished ? VANISHED_MS : 0;
  const usualMs = STOPWATCH_MS * (log.connections + edges.length) + vanishedMs;
  const offMs = recordedMs(log) - countedMs;
  // What is let go can only be missing: it makes nobody's time longer.
  const letGoMs = offMs > 0 ? uncountedMs(log, countedMs, struck) : 0;
  return Math.abs(offMs) <= usualMs + log.unsureMs + sum + letGoMs;
}

/**
 * Whether somebody still knew of the end of this session when Redis had forgotten it: its gateway, if
 * none was killed meanwhile, or its recorder, if it was still there.
 */
function hadWitness(log: RecorderLog, struck: readonly Struck[]): boolean {
  const lastMs = Math.max(0, ...log.recording.map(({ toMs }) => toMs));
  const around = { fromMs: lastMs - SETTLING_MS, toMs: lastMs + SETTLING_MS };
  const near = struck.filter((it) => meets(around, it, 0));
  const forgot = near.some((it) => it.forgets);
  const killed = near.some((it) => it.kills > 0 && it.touches.includes('gateway'));
  return !(forgot && killed);
}

/**
 * Whether one that said its stop, and came back to hear that it was heard, could be told no more than
 * that it has ended. Its sums are told by Redis, or by the ledger once that is closed: so Redis must
 * have forgotten it after its stop, before the ledger had all. What keeps words on their way keeps the
 * ledger open for longer.
 */
function wasForgottenAtEnd(log: RecorderLog, struck: readonly Struck[]): boolean {
  if (log.phase !== 'ended') return false;
  const lastMs = Math.max(0, ...log.recording.map(({ toMs }) => toMs));
  const end = { fromMs: lastMs, toMs: lastMs + SETTLING_MS };
  const kept = struck.filter((it) => delays(it) && meets(end, it)).map(({ toMs }) => toMs);
  const open = { fromMs: lastMs, toMs: Math.max(lastMs, ...kept) + SETTLING_MS };
  return struck.some((it) => it.forgets && meets(open, it));
}

/** Faults with which a recorder has nowhere to come back to at once. */
const keepsAway = ({ touches }: Struck) =>
  touches.some((it) => it === 'redis' || it === 'postgres' || it === 'clock');

/**
 * Losses by a gateway's end or a cut wire, while stores and at least one gateway were whole. Who left of
 * its own will is waited for from the moment it wants to be back.
 */
function resumesOf(log: RecorderLog, struck: readonly Struck[]): Resume[] {
  return log.away.flatMap(({ fromMs, toMs, leftMs = 0 }) => {
    const away = { fromMs: Math.min(fromMs + leftMs, toMs), toMs };
    const met = struck.filter((it) => meets(away, it, 1_000));
    const causes = met.filter(({ touches }) =>
      touches.some((it) => it === 'gateway' || it === 'door'),
    );
    if (met.some(keepsAway) || causes.length !== 1) return [];
    return [{ session: log.session, fromMs: away.fromMs, ms: away.toMs - away.fromMs }];
  });
}
