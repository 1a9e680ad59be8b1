import type { Code } from '../../../worker/ledger/check/codes.ts';
import type { Finding } from '../../../worker/ledger/check/finding.ts';
import { distinct, planLedgerFix, shardsOf } from '../../../worker/ledger/fix/plan.ts';
import type { Step } from '../../../worker/ledger/fix/step.ts';
import { makePartitions } from './ahead.ts';
import { wakeRecovery, wakeShards } from './recover.ts';
import { type FixContext, ledgerFixOf } from './step.ts';
import { resumeQueues, retryJobs } from './words.ts';

const WOKEN: readonly Code[] = ['shardUnrecovered', 'recoveryOpen'];

/**
 * What --fix does about these findings, in order: first what only waits is woken, then what is wrong
 * in the ledger and in the live counters is put right, as `reconcile` does it for one organization.
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
  const woken = shardsOf(of(WOKEN));
  if (woken.length > 0) steps.push(wakeShards(context, woken, codesOf(of(WOKEN))));
  const wake = (shards: number[]) => wakeRecovery(context, shards);
  return [...steps, ...planLedgerFix(ledgerFixOf(context, wake), findings)];
}
