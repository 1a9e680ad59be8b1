import { shardOf } from '../../../core/meter/keys.ts';
import type { Code } from '../../../worker/ledger/check/codes.ts';
import type { Finding } from '../../../worker/ledger/check/finding.ts';
import { makePartitions, makePeriod } from './ahead.ts';
import { rebuildSums } from './rebuild.ts';
import { recoverShard, wakeShards } from './recover.ts';
import type { FixContext, Step } from './step.ts';
import { resumeQueues, retryJobs, tellLimits } from './words.ts';

const SUMS: readonly Code[] = [
  'periodSums',
  'monthlyCache',
  'dailyUsage',
  'sessionSums',
  'drawnSum',
  'minuteCount',
];
const RECOVERED: readonly Code[] = [
  'drift',
  'sessionOrphan',
  'unsettledForeign',
  'minuteHole',
  'sessionUnclosed',
];
const WOKEN: readonly Code[] = ['shardUnrecovered', 'recoveryOpen'];
const TOLD: readonly Code[] = ['limitStale', 'outboxBacklog', 'decreaseWaiting'];

const distinct = <T>(items: readonly T[]): T[] => [...new Set(items)];

function shardsOf(findings: readonly Finding[]): number[] {
  const numbers = findings.map((it) =>
    it.org === undefined ? Number(/^shard (\d+)$/.exec(it.subject ?? '')?.[1]) : shardOf(it.org),
  );
  return distinct(numbers).filter(Number.isInteger);
}

/**
 * What --fix does about these findings, in order: first what only waits is woken, then the ledger's
 * sums are put right, and the meter is recovered last, from a ledger that is right. None of the steps
 * writes lots or their burns.
 */
export function planFix(context: FixContext, findings: readonly Finding[]): Step[] {
  const fixable = findings.filter((it) => it.isFixable);
  const of = (codes: readonly Code[]) => fixable.filter((it) => codes.includes(it.code));
  const codesOf = (some: readonly Finding[]) => distinct(some.map((it) => it.code));
  const subjects = (code: Code) => of([code]).map((it) => it.subject!);
  const steps: Step[] = [];

  if (subjects('queuePaused').length > 0)
    steps.push(resumeQueues(context, subjects('queuePaused')));
  if (subjects('queueFailed').length > 0) steps.push(retryJobs(context, subjects('queueFailed')));
  if (of(['partitionMissing']).length > 0) steps.push(makePartitions(context));
  for (const { org, figures } of of(['periodMissing'])) {
    steps.push(makePeriod(context, org!, Number(figures.at)));
  }
  const woken = shardsOf(of(WOKEN));
  if (woken.length > 0) steps.push(wakeShards(context, woken, codesOf(of(WOKEN))));
  for (const org of distinct(of(SUMS).map((it) => it.org!))) {
    steps.push(rebuildSums(context, org, codesOf(of(SUMS).filter((it) => it.org === org))));
  }
  for (const org of distinct(of(TOLD).map((it) => it.org!))) {
    steps.push(tellLimits(context, org, codesOf(of(TOLD).filter((it) => it.org === org))));
  }
  for (const shard of shardsOf(of(RECOVERED))) {
    const why = of(RECOVERED).filter((it) => shardsOf([it])[0] === shard);
    steps.push(recoverShard(context, shard, codesOf(why), why.map((it) => it.says).slice(0, 20)));
  }
  return steps;
}
