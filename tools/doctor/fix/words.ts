/** Work that waits and is woken: words to the meter, jobs. */
import type { Code } from '../../../worker/ledger/check/codes.ts';
import { withQueues } from '../queue-look.ts';
import { type FixContext, inRepair, noteRepair, type Step } from './step.ts';

/** Leaves word that the meter be told of an organization's limits, which also wakes the workers. */
export function tellLimits({ stores, actor }: FixContext, org: string, codes: Code[]): Step {
  return {
    title: `leave word that the meter be told of the limits of ${org}`,
    codes,
    run: () =>
      inRepair(stores.database.sql, async (tx) => {
        const [word] = await tx`
          insert into meter_outbox (org) select ${org}
          where not exists (select from meter_outbox where org = ${org} and user_id is null)
          returning id`;
        await tx`select pg_notify('meter_outbox', '')`;
        const detail = { before: { waiting: word === undefined }, after: { waiting: true } };
        await noteRepair(tx, { actor, action: 'tell', org, detail });
        return `the workers were woken to tell the meter of ${org}`;
      }),
  };
}

export function resumeQueues({ stores, log, actor }: FixContext, names: string[]): Step {
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
      await inRepair(stores.database.sql, (tx) =>
        noteRepair(tx, { actor, action: 'resume', subject: resumed.join(), detail }),
      );
      return `${resumed.join(', ')} goes on`;
    },
  };
}

export function retryJobs({ stores, log, actor }: FixContext, names: string[]): Step {
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
      await inRepair(stores.database.sql, (tx) =>
        noteRepair(tx, { actor, action: 'retry', subject: names.join(), detail }),
      );
      return `${failed} jobs are tried again`;
    },
  };
}
