/** Jobs that wait and are woken. */

import { countText } from '../../../worker/ledger/check/count-text.ts';
import { inRepair, noteRepair, type Step } from '../../../worker/ledger/fix/step.ts';
import { withQueues } from '../queue-look.ts';
import { type FixContext, ledgerFixOf } from './step.ts';

export function resumeQueues(context: FixContext, names: string[]): Step {
  const { stores, log } = context;
  const fix = ledgerFixOf(context);
  return {
    title: `let the queues go on: ${names.join(', ')}`,
    codes: ['queuePaused'],
    async run() {
      const done = await withQueues(stores.redisUrl, log, async (queue) => {
        if (!names.includes(queue.name) || !(await queue.isPaused())) return [];
        await queue.resume();
        return [queue.name];
      });
      const resumed = done.flat();
      if (resumed.length === 0) return null;
      const detail = { before: { isPaused: true }, after: { isPaused: false } };
      await inRepair(fix.sql, (tx) =>
        noteRepair(tx, fix, { action: 'resume', subject: resumed.join(), detail }),
      );
      return `${resumed.join(', ')} goes on`;
    },
  };
}

export function retryJobs(context: FixContext, names: string[]): Step {
  const { stores, log } = context;
  const fix = ledgerFixOf(context);
  return {
    title: `have failed jobs tried again: ${names.join(', ')}`,
    codes: ['queueFailed'],
    async run() {
      const done = await withQueues(stores.redisUrl, log, async (queue) => {
        const failed = names.includes(queue.name) ? await queue.getFailedCount() : 0;
        if (failed > 0) await queue.retryJobs({ state: 'failed' });
        return failed;
      });
      const failed = done.reduce((sum, it) => sum + it, 0);
      if (failed === 0) return null;
      const detail = { before: { failed }, after: { failed: 0 } };
      await inRepair(fix.sql, (tx) =>
        noteRepair(tx, fix, { action: 'retry', subject: names.join(), detail }),
      );
      return `tried again: ${countText(failed, 'job')}`;
    },
  };
}
