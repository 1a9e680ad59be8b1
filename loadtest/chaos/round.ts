/** One round: recorders come, faults strike, all is put right, everything settles, and is judged. */
import { diceOf } from '../../core/meter/schedule.ts';
import { connectBackend } from '../backend-api.ts';
import { type Generators, startGenerators } from '../generators.ts';
import type { Budget } from '../lateness.ts';
import { openReader } from '../read-books.ts';
import type { RecorderLog } from '../recorder-log.ts';
import { makeScenario, type Scenario } from '../scenario.ts';
import type { Fault } from './faults/fault.ts';
import { type Judgement, judge } from './judge.ts';
import { planFaults, type Struck, strikeAll } from './schedule.ts';
import type { Stage } from './stage/stage.ts';

export interface RoundOptions {
  stage: Stage;
  /** names its organizations; new each time, as the stores remember */
  run: string;
  seed: number;
  sessions: number;
  organizations: number;
  seconds: number;
  faultsPerMinute: number;
  faults: readonly Fault[];
  apiKey: string;
  resumeWindowMs: number;
  signal: AbortSignal;
  struck(it: Struck): void;
}

export interface Round {
  seed: number;
  run: string;
  /** when its recorders began, on the machine's monotonic clock */
  startMs: number;
  lengthMs: number;
  struck: Struck[];
  judgement: Judgement;
  /** until the ledger had everything; null: not within its patience */
  settledMs: number | null;
  logs: RecorderLog[];
}

const RAMP_S = 3;
/** Without faults at the end, so that recorders can say their stops. */
const CALM_S = 6;
/** Recorders that are not over so long after their last step are let go: the audit tells of them. */
const END_PATIENCE_MS = 45_000;
const PREPARE_TRIES = 20;
const PREPARE_PAUSE_MS = 500;
const DROPS_PER_MINUTE = 1;
const PAUSES_PER_MINUTE = 1;
const VANISHING_SHARE = 0.1;
const EARLY_SHARE = 0.35;
const LIMITED_SHARE = 0.5;
/** Of what the recorders of a limited organization would use. */
const LIMIT_SHARE = 0.6;
const COUNT_EVERY_MS = 1_000;

export async function playRound(options: RoundOptions): Promise<Round> {
  const { stage, run, seed, sessions, organizations, seconds, signal } = options;
  const each = Math.ceil(sessions / organizations);
  const scenario = makeScenario({
    ...{ run, seed, sessions, alone: 0, organizations, gateways: stage.gateways.length, seconds },
    ...{ rampSeconds: RAMP_S, joinSpreadMs: null, limited: LIMITED_SHARE },
    limitSeconds: Math.round(each * seconds * LIMIT_SHARE),
    ...{ dropsPerMinute: DROPS_PER_MINUTE, pausesPerMinute: PAUSES_PER_MINUTE },
    ...{ vanishing: VANISHING_SHARE, early: EARLY_SHARE },
  });
  await prepare(options, scenario);
  const generators = startGenerators({
    count: 1,
    scripts: scenario.organizations.flatMap(({ recorders }) => recorders),
    urls: stage.gateways.map(({ url }) => url),
    ...{ apiKey: options.apiKey, countEveryMs: COUNT_EVERY_MS, isTraced: true, ended: () => {} },
  });
  try {
    const lengthMs = Math.max(0, seconds - CALM_S) * 1_000;
    const plan = planFaults(seed, lengthMs, options.faultsPerMinute, options.faults);
    const fromMs = generators.runStartMs + RAMP_S * 1_000;
    const [struck, logs] = await Promise.all([
      strikeAll(stage, plan, fromMs, { signal, struck: options.struck }),
      logsOf(generators, scenario.endsAtMs + END_PATIENCE_MS, signal),
    ]);
    signal.throwIfAborted();
    const startMs = generators.runStartMs;
    const judged = await settleAndJudge(options, scenario, logs, struck);
    return { seed, run, startMs, lengthMs: scenario.endsAtMs, struck, logs, ...judged };
  } finally {
    await generators.stop();
  }
}

/** Who was just started again may need a moment. */
async function prepare({ stage, run, apiKey, signal }: RoundOptions, scenario: Scenario) {
  for (let tries = 1; ; tries++) {
    const { url } = stage.gateways[tries % stage.gateways.length]!;
    try {
      return await connectBackend(url, apiKey).prepare(run, scenario.organizations);
    } catch (error) {
      if (tries === PREPARE_TRIES || signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, PREPARE_PAUSE_MS));
    }
  }
}

async function logsOf(generators: Generators, patienceMs: number, signal: AbortSignal) {
  const timer = setTimeout(generators.giveUp, patienceMs);
  signal.addEventListener('abort', generators.giveUp, { once: true });
  try {
    return (await generators.done).logs;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', generators.giveUp);
  }
}

async function settleAndJudge(
  { stage, resumeWindowMs }: RoundOptions,
  scenario: Scenario,
  logs: RecorderLog[],
  struck: readonly Struck[],
) {
  const reader = await openReader(stage.redis.url(), stage.postgres.workerUrl);
  try {
    const orgs = scenario.organizations.map(({ org }) => org);
    const letIn = logs.filter((log) => log.acknowledgedMs !== null).length;
    const settledMs = await reader.settled(orgs, letIn);
    const books = await reader.books(orgs, []);
    const budgets: Budget[] = scenario.organizations.map(({ org, quotaMs }) => ({
      ...{ org, quotaMs },
      logs: logs.filter((log) => log.org === org),
    }));
    return { settledMs, judgement: judge(budgets, books, { struck, resumeWindowMs }) };
  } finally {
    await reader.stop();
  }
}

/** The seed of a round, from that of the whole. */
export function roundSeed(seed: number, round: number): number {
  return diceOf((seed * 0x9e3779b1 + round) >>> 0).below(2 ** 31);
}
