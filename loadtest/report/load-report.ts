/** Everything a run came to: what the summary, the page and the JSON file show. */
import { arch, cpus, platform, release, totalmem } from 'node:os';
import type { AuditResult } from '../audit.ts';
import type { LoadFlags } from '../flags.ts';
import type { LoopDelay } from '../generator-words.ts';
import { type Lateness, type LatenessSummary, summarizeLateness } from '../lateness.ts';
import type { RecorderLog } from '../recorder-log.ts';
import type { Measured } from '../sampler.ts';
import { type Spread, spreadOf } from '../statistics.ts';

export interface LoadReport {
  startedAt: string;
  run: string;
  settings: Record<string, string | number | boolean | null>;
  machine: { node: string; system: string; processor: string; cores: number; memoryBytes: number };
  audit: AuditResult;
  lateness: LatenessSummary[];
  latenesses: Lateness[];
  /** from joining, ticket included, to `started` */
  joins: Spread | null;
  /** from a loss to the `started` that ends it */
  resumes: Spread | null;
  measured: Measured;
  loopDelays: LoopDelay[];
  /** from the last end to the last session closed in the ledger; null: not in time */
  settledMs: number | null;
  incidents: string[];
}

export interface LoadReportParts {
  startedAt: string;
  run: string;
  flags: LoadFlags;
  audit: AuditResult;
  latenesses: Lateness[];
  logs: readonly RecorderLog[];
  measured: Measured;
  loopDelays: LoopDelay[];
  settledMs: number | null;
  incidents: string[];
}

export function makeReport(parts: LoadReportParts): LoadReport {
  const { flags, logs, latenesses, ...rest } = parts;
  // The key is a secret, and the addresses may be of somebody's production.
  const { apiKey: _, urls, gateways, intervalMs, ...shown } = flags;
  // Of a product that ran already it is not known how it was started.
  const started = urls.length > 0 ? { given: urls.length } : { gateways, intervalMs };
  return {
    ...rest,
    latenesses,
    settings: { ...shown, ...started },
    machine: {
      node: process.version,
      system: `${platform()} ${release()} ${arch()}`,
      processor: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryBytes: totalmem(),
    },
    lateness: summarizeLateness(latenesses),
    joins: spreadOf(logs.flatMap(({ joinMs }) => joinMs ?? [])),
    resumes: spreadOf(logs.flatMap(({ away }) => away.map((it) => it.toMs - it.fromMs))),
  };
}

/** Whether the run is a success: the audit holds, and nothing happened that should not. */
export function isGood(report: LoadReport): boolean {
  return report.audit.holds && report.incidents.length === 0;
}

/** The outcome in a sentence. */
export function verdict(report: LoadReport): string {
  if (isGood(report)) return 'It holds: recorder, meter and ledger agree to the millisecond.';
  if (!report.audit.holds) return 'It does not hold.';
  return 'The audit holds, but a process ended that should not have.';
}
