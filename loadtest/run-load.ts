/** One run against a product that serves: scenario, fleet, measures, and the audit once it is settled. */
import { audit } from './audit.ts';
import { connectBackend } from './backend-api.ts';
import type { MeterSession } from './books.ts';
import type { LoadFlags } from './flags.ts';
import { type Generators, startGenerators } from './generators.ts';
import { type Budget, latenessOf } from './lateness.ts';
import type { Product } from './product/product.ts';
import { startProgress } from './progress.ts';
import { openReader, type Reader } from './read-books.ts';
import type { RecorderLog } from './recorder-log.ts';
import { type LoadReport, makeReport } from './report/load-report.ts';
import { SAMPLE_EVERY_MS, startSampler } from './sampler.ts';
import { makeScenario, type Scenario } from './scenario.ts';

/** Recorders that are not over so long after their last step have a story to tell: the audit's. */
const END_PATIENCE_MS = 60_000;

export interface RunOptions {
  flags: LoadFlags;
  product: Product;
  say(line: string): void;
  /** where progress is shown; null: nowhere */
  screen: NodeJS.WriteStream | null;
  signal: AbortSignal;
}

export async function runLoad(options: RunOptions): Promise<LoadReport> {
  const { flags, product, say, signal } = options;
  const startedAt = new Date().toISOString();
  // Names must be new to the stores, which may remember an earlier run with this seed.
  const run = `${startedAt.slice(0, 23).replace(/\D/g, '')}-${flags.seed}`;
  const scenario = makeScenario({
    ...flags,
    run,
    gateways: product.urls.length,
  });
  const reader = await openReader(product.redisUrl, product.databaseUrl);
  try {
    say(`making ${scenario.organizations.length} organizations ...`);
    await connectBackend(product.urls[0]!, product.apiKey).prepare(run, scenario.organizations);
    signal.throwIfAborted();
    const loaded = await load(options, scenario, reader);
    const { logs, meterSessions } = loaded;
    say('waiting until the ledger has everything ...');
    const orgs = scenario.organizations.map(({ org }) => org);
    const letIn = logs.filter((log) => log.acknowledgedMs !== null).length;
    const settledMs = await reader.settled(orgs, letIn);
    const books = await reader.books(orgs, meterSessions);
    const budgets = budgetsOf(scenario, logs);
    const { incidents } = product;
    return makeReport({
      ...{ startedAt, run, flags, logs, settledMs, incidents },
      ...{ measured: loaded.measured, loopDelays: loaded.loopDelays },
      audit: audit(budgets, books),
      latenesses: budgets.flatMap(latenessOf),
    });
  } finally {
    await reader.stop();
  }
}

async function load(
  { flags, product, screen, signal }: RunOptions,
  scenario: Scenario,
  reader: Reader,
) {
  const meterSessions: MeterSession[] = [];
  const readings: Promise<void>[] = [];
  const generators = startGenerators({
    count: flags.generators,
    scripts: scenario.organizations.flatMap(({ recorders }) => recorders),
    ...{ urls: product.urls, apiKey: product.apiKey, countEveryMs: SAMPLE_EVERY_MS / 4 },
    // At once: the meter lets a session go as soon as the ledger has all of it.
    ended(name) {
      const reading = reader.meterSession(name).then((it) => {
        if (it) meterSessions.push(it);
      });
      readings.push(reading);
    },
  });
  const progress = screen && startProgress(scenario.endsAtMs, screen);
  const sampler = startSampler({
    runStartMs: generators.runStartMs,
    pids: pidsOf(product, generators),
    count: generators.count,
    sampled: (sample, count) => progress?.at(sample.atMs, count, sample.beatsPerSecond),
  });
  try {
    const done = await within(generators, scenario.endsAtMs + END_PATIENCE_MS, signal);
    const measured = sampler.stop();
    await Promise.all(readings);
    return { ...done, measured, meterSessions };
  } finally {
    sampler.stop();
    progress?.stop();
    await generators.stop();
  }
}

function pidsOf(product: Product, generators: Generators): Map<string, number> {
  const pids = new Map(product.pids);
  generators.pids.forEach((pid, i) => {
    pids.set(`generator-${i + 1}`, pid);
  });
  return pids;
}

/** Those that do not come to their end are let go: the audit tells of them. Rejects on abort. */
async function within(generators: Generators, patienceMs: number, signal: AbortSignal) {
  const timer = setTimeout(generators.giveUp, patienceMs);
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
  try {
    return await Promise.race([generators.done, aborted]);
  } finally {
    clearTimeout(timer);
  }
}

function budgetsOf(scenario: Scenario, logs: readonly RecorderLog[]): Budget[] {
  const byOrg = new Map<string, RecorderLog[]>();
  for (const log of logs) {
    const known = byOrg.get(log.org);
    if (known) known.push(log);
    else byOrg.set(log.org, [log]);
  }
  return scenario.organizations.map(({ org, quotaMs }) => ({
    org,
    quotaMs,
    logs: byOrg.get(org) ?? [],
  }));
}
