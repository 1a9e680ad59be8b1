import type postgres from 'postgres';
import type { Log } from '../../core/runtime/log.ts';
import type { Stoppable } from '../../core/runtime/stop.ts';
import { recountOrganization } from '../../drizzle/queries/rebuild-counts.ts';
import { type ReconcileResult, reconcileOrganization } from '../ledger/fix/reconcile.ts';
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
async function attempt(context: LedgerContext, asked: Asked): Promise<object> {
  const { org, actor, id } = asked;
  try {
    const result = await reconcileOrganization(context, org, actor);
    await recount(context, asked, result);
    return result;
  } catch (error) {
    context.log.error({ err: error, org, reconcile: id }, 'an organization was not reconciled');
    return { failed: 'It could not be looked at: is Redis away? Ask again.' };
  }
}

/** Counts of pieces and costs are of no minute; what was found of them is put right by the same step. */
async function recount(
  { db }: LedgerContext,
  { org, actor }: Asked,
  { found, changed }: ReconcileResult,
): Promise<void> {
  const { quotas, days } = await recountOrganization(db, org, { actor, area: 'reconcile' });
  const note = (code: string, rows: number, title: string, says: string) => {
    if (rows === 0) return;
    found.push({ code, subject: null, says, figures: { rows } });
    changed.push({ title, codes: [code], says: `${org}: ${rows} rows` });
  };
  const pieces = 'Pieces of features were counted as something else than was consumed.';
  note('pieceCounts', quotas, `count the pieces of ${org} again`, pieces);
  const costs = 'Days had another cost than their usage events.';
  note('dailyCosts', days, `add up the costs of ${org} again`, costs);
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
