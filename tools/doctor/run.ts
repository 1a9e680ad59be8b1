import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../core/runtime/log.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import type { Finding } from '../../worker/ledger/check/finding.ts';
import { inSnapshot } from '../../worker/ledger/check/snapshot.ts';
import type { Step } from '../../worker/ledger/fix/step.ts';
import { type Examination, isWell, reasonOf } from './examination.ts';
import { examine } from './examine.ts';
import { planFix } from './fix/plan.ts';
import type { FixContext } from './fix/step.ts';
import type { DoctorFlags } from './flags.ts';
import { type Portrait, portraits } from './portrait.ts';
import type { Stores } from './stores.ts';

/** Workers are woken; a recovery takes two seconds, more with a million sessions. */
const RECOVERY_PATIENCE_MS = 30_000;
const POLL_MS = 250;
/** For words that are told and jobs that are tried again. */
const LEAST_MS = 1_500;

export interface DoneStep {
  title: string;
  codes: string[];
  outcome: 'done' | 'nothing' | 'failed' | 'planned';
  says: string;
}

export interface DoctorReport {
  /** real time */
  at: string;
  isWell: boolean;
  examination: Examination;
  figures: Portrait[];
  steps: DoneStep[];
  /** before --fix, where something was done */
  before: Examination | null;
}

export interface DoctorContext {
  stores: Stores;
  log: Log;
  say: (line: string) => void;
  actor: string;
}

async function carryOut(step: Step, say: (line: string) => void): Promise<DoneStep> {
  const { title, codes } = step;
  say(`fix: ${title} ...`);
  try {
    const says = await step.run();
    if (says === null) return { title, codes, outcome: 'nothing', says: 'it was right already' };
    return { title, codes, outcome: 'done', says };
  } catch (error) {
    return { title, codes, outcome: 'failed', says: reasonOf(error) };
  }
}

/** Until what was asked for is done; without a worker the next look says that it was not. */
async function waitForWorkers({ database }: Stores, say: (line: string) => void): Promise<void> {
  say('giving the workers time to carry it out ...');
  await sleep(LEAST_MS);
  for (let waitedMs = LEAST_MS; waitedMs < RECOVERY_PATIENCE_MS; waitedMs += POLL_MS) {
    const [open] = await inSnapshot(
      database.sql,
      (tx) => tx<{ shards: number; words: number }[]>`
        select (select count(*) from shards where recovered_generation <> generation) as shards,
          (select count(*) from meter_outbox) as words`,
    );
    if (open!.shards === 0 && open!.words === 0) return;
    await sleep(POLL_MS);
  }
}

const planned = ({ title, codes }: Step): DoneStep => ({
  title,
  codes,
  outcome: 'planned',
  says: 'not done: --dry-run',
});

async function fix(
  context: DoctorContext,
  findings: readonly Finding[],
  isDryRun: boolean,
): Promise<DoneStep[]> {
  const clock = await readClock(context.stores.database.db);
  const fixing: FixContext = { ...context, now: meterNow(clock, Date.now()) };
  const steps = planFix(fixing, findings);
  if (isDryRun) return steps.map(planned);
  const done: DoneStep[] = [];
  for (const step of steps) done.push(await carryOut(step, context.say));
  return done;
}

/** Looks, repairs if told to, and looks again: what the second look says counts. */
export async function runDoctor(
  context: DoctorContext,
  { org, user, isFix, isDryRun }: DoctorFlags,
): Promise<DoctorReport> {
  const { stores, say } = context;
  const subject = { org, user };
  let examination = await examine(stores, subject, context);
  let before: Examination | null = null;
  let steps: DoneStep[] = [];
  if (isFix && examination.findings.some((it) => it.isFixable)) {
    steps = await fix(context, examination.findings, isDryRun);
    if (steps.some((it) => it.outcome === 'done')) {
      say('looking again ...');
      await waitForWorkers(stores, say);
      before = examination;
      examination = await examine(stores, subject, context);
    }
  }
  let figures: Portrait[] = [];
  if (org !== null || user !== null) {
    const clock = await readClock(stores.database.db);
    figures = await portraits(stores, subject, meterNow(clock, Date.now()));
  }
  return {
    at: new Date().toISOString(),
    isWell: isWell(examination),
    ...{ examination, figures, steps, before },
  };
}
