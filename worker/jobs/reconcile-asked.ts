import type postgres from 'postgres';
import type { Log } from '../../core/runtime/log.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import { reconcileOrganization } from '../ledger/fix/reconcile.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { repeat } from '../repeat.ts';

interface Asked {
  id: string;
  org: string;
  actor: string;
}

/**
 * Carries out what callers of the API asked for by a row in `reconciles`, one at a time: a gateway's
 * login may not write what is derived. The row is locked meanwhile, so that no other worker takes it,
 * and one that dies leaves it to the next. Answers whether there was one.
 */
export async function answerReconcile(context: LedgerContext): Promise<boolean> {
  return (await context.sql.begin(async (tx) => {
    const [asked] = await tx<Asked[]>`
      select id, org, actor from reconciles where done_at is null
      order by requested_at limit 1 for update skip locked`;
    if (asked === undefined) return false;
    const result = await attempt(context, asked);
    await write(tx, asked.id, result);
    return true;
  })) as boolean;
}

/** What can't be carried out is answered too, lest it be tried for ever. */
async function attempt(context: LedgerContext, { org, actor, id }: Asked): Promise<object> {
  try {
    return await reconcileOrganization(context, org, actor);
  } catch (error) {
    context.log.error({ err: error, org, reconcile: id }, 'an organization was not reconciled');
    return { failed: 'It could not be looked at: is Redis away? Ask again.' };
  }
}

async function write(tx: postgres.TransactionSql, id: string, result: object): Promise<void> {
  await tx`
    update reconciles set done_at = now(), result = ${JSON.stringify(result)}::jsonb
    where id = ${id}`;
}

/** At once when Postgres notifies, and looks now and then for what a notification missed. */
export async function startReconcileAsked(options: {
  context: LedgerContext;
  everyMs: number;
  log: Log;
}): Promise<Stoppable> {
  const { context, everyMs, log } = options;
  const look = repeat({
    name: 'reconcile-asked',
    everyMs,
    log,
    async run() {
      while (await answerReconcile(context));
    },
  });
  const listening = await context.sql.listen('reconciles', () => look.wake());
  return {
    async stop() {
      await listening.unlisten().catch(() => {});
      await look.stop();
    },
  };
}
