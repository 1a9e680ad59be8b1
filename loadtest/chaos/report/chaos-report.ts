/** What rounds of chaos came to: what the summary, the page and the JSON file show. */
import { arch, cpus, platform, release } from 'node:os';
import type { Finding } from '../../finding.ts';
import { type RecorderLog, recordedMs } from '../../recorder-log.ts';
import { type Spread, spreadOf } from '../../statistics.ts';
import type { ChaosFlags } from '../flags.ts';
import type { Resume } from '../judge.ts';
import type { Round } from '../round.ts';
import type { Struck } from '../schedule.ts';

export interface RoundReport {
  /** counted from 1 */
  round: number;
  seed: number;
  /** on the machine's monotonic clock, as in the logs below */
  startMs: number;
  lengthMs: number;
  sessions: number;
  /** instants from the start of its recorders */
  struck: Struck[];
  /** recorders with a live session and a connection, once a second */
  connected: number[];
  observedMs: number;
  ledgerMs: number;
  settledMs: number | null;
  findings: Finding[];
  /** over RESUME_TARGET_MS, the worst first; `fromMs` as of the faults */
  slowResumes: Resume[];
  /** of the recorders that findings, or slow resumes, are about */
  logs: RecorderLog[];
}

export interface FaultCount {
  name: string;
  times: number;
  kills: number;
}

export interface ChaosReport {
  startedAt: string;
  lengthMs: number;
  settings: Record<string, string | number | boolean | null | string[]>;
  machine: { node: string; system: string; processor: string; cores: number };
  rounds: RoundReport[];
  faults: FaultCount[];
  totals: ChaosTotals;
  /** with stores and another gateway at hand */
  resumes: Spread | null;
  incidents: string[];
}

export interface ChaosTotals {
  faults: number;
  kills: number;
  sessions: number;
  connections: number;
  refused: number;
  /** by the recorders' own stopwatches */
  observedMs: number;
  acknowledgedMs: number;
  ledgerMs: number;
  overshootMs: number;
  lostMs: number;
  doubledMs: number;
  overLimitMs: number;
  unwitnessedMs: number;
  unsureMs: number;
  uncountedMs: number;
  findings: number;
  worstSettledMs: number | null;
}

/** reliability: sessions resume elsewhere within this, p99. */
export const RESUME_TARGET_MS = 3_000;
const SAMPLE_MS = 1_000;

export function roundReport(round: number, played: Round): RoundReport {
  const { seed, startMs, lengthMs, struck, logs, judgement, settledMs } = played;
  const shifted = (it: Struck): Struck => ({
    ...it,
    fromMs: it.fromMs - startMs,
    toMs: it.toMs - startMs,
  });
  const connected = Array.from({ length: Math.ceil(lengthMs / SAMPLE_MS) }, (_, i) => {
    const atMs = startMs + i * SAMPLE_MS;
    return logs.filter(
      ({ recording, away }) =>
        recording.some(({ fromMs, toMs }) => fromMs <= atMs && toMs >= atMs) &&
        !away.some(({ fromMs, toMs }) => fromMs <= atMs && toMs >= atMs),
    ).length;
  });
  const slowResumes = judgement.resumes
    .filter(({ ms }) => ms > RESUME_TARGET_MS)
    .map(({ session, fromMs, ms }) => ({ session, fromMs: fromMs - startMs, ms }))
    .sort((a, b) => b.ms - a.ms);
  const named = new Set([...judgement.findings, ...slowResumes].map(({ session }) => session));
  return {
    ...{ round, seed, startMs, lengthMs, settledMs, connected, struck: struck.map(shifted) },
    sessions: judgement.audit.totals.sessions,
    observedMs: logs.reduce((sum, log) => sum + recordedMs(log), 0),
    ledgerMs: judgement.audit.totals.ledgerMs,
    ...{ findings: judgement.findings, slowResumes },
    logs: logs.filter(({ session }) => named.has(session)),
  };
}

export interface ReportParts {
  startedAt: string;
  lengthMs: number;
  flags: ChaosFlags;
  played: readonly { round: number; it: Round }[];
  incidents: string[];
}

export function makeReport(parts: ReportParts): ChaosReport {
  const { startedAt, lengthMs, flags, played, incidents } = parts;
  const rounds = played.map(({ round, it }) => roundReport(round, it));
  const struck = played.flatMap(({ it }) => it.struck);
  const sum = (of: (it: Round) => number) => played.reduce((total, { it }) => total + of(it), 0);
  const ofAudit = (name: 'sessions' | 'connections' | 'refused' | 'acknowledgedMs') =>
    sum(({ judgement }) => judgement.audit.totals[name]);
  const kinds = (kind: Finding['kind']) =>
    sum(({ judgement }) =>
      judgement.findings.reduce((ms, it) => ms + (it.kind === kind ? (it.ms ?? 0) : 0), 0),
    );
  const settled = played.map(({ it }) => it.settledMs);
  return {
    ...{ startedAt, lengthMs, rounds, incidents },
    settings: { ...flags },
    machine: {
      node: process.version,
      system: `${platform()} ${release()} ${arch()}`,
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
    },
    faults: countFaults(struck),
    resumes: spreadOf(played.flatMap(({ it }) => it.judgement.resumes.map(({ ms }) => ms))),
    totals: {
      ...{ faults: struck.length, kills: struck.reduce((total, it) => total + it.kills, 0) },
      ...{ sessions: ofAudit('sessions'), connections: ofAudit('connections') },
      ...{ refused: ofAudit('refused'), acknowledgedMs: ofAudit('acknowledgedMs') },
      observedMs: rounds.reduce((total, it) => total + it.observedMs, 0),
      ledgerMs: rounds.reduce((total, it) => total + it.ledgerMs, 0),
      overshootMs: sum(({ judgement }) => judgement.audit.totals.overshootMs),
      ...{ lostMs: kinds('lost'), doubledMs: kinds('doubled') + kinds('unknown') },
      overLimitMs: kinds('overLimit'),
      unwitnessedMs: sum(({ judgement }) => judgement.unwitnessedMs),
      unsureMs: sum(({ judgement }) => judgement.unsureMs),
      uncountedMs: sum(({ judgement }) => judgement.uncountedMs),
      findings: sum(({ judgement }) => judgement.findings.length),
      worstSettledMs: settled.some((it) => it === null)
        ? null
        : Math.max(0, ...settled.map((it) => it ?? 0)),
    },
  };
}

function countFaults(struck: readonly Struck[]): FaultCount[] {
  const counts = new Map<string, FaultCount>();
  for (const { name, kills } of struck) {
    const count = counts.get(name) ?? { name, times: 0, kills: 0 };
    counts.set(name, { name, times: count.times + 1, kills: count.kills + kills });
  }
  return [...counts.values()].sort((a, b) => b.times - a.times);
}

export function isGood({ totals, incidents, resumes }: ChaosReport): boolean {
  const isPrompt = resumes === null || resumes.p99Ms <= RESUME_TARGET_MS;
  const isSettled = totals.worstSettledMs !== null;
  return totals.findings === 0 && incidents.length === 0 && isPrompt && isSettled;
}
