import { or, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import { organizationBudget } from '../../core/meter/budget-name.ts';
import type { BudgetRow } from '../../core/meter/rows.ts';
import type { Log } from '../../core/runtime/log.ts';
import { meterNow, readClock } from '../../drizzle/queries/clock.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { topUps } from '../../drizzle/schema/top-ups.ts';
import type { TopUpRow } from '../../payments/top-up-words.ts';
import type { LedgerContext } from '../ledger/settle.ts';
import { type Repeated, repeat } from '../repeat.ts';
import { beginTopUp, mayBegin } from '../top-up/begin.ts';
import { type CarryOutDeps, carryOutTopUp } from '../top-up/carry-out.ts';

/** Organizations looked at, or paid for, at the same time. */
const AT_ONCE = 8;

export interface TopUpOptions {
  context: LedgerContext;
  stripe: Stripe;
  livemode: boolean;
  log: Log;
}

/**
 * One look over the organizations that have top-up on: who records and has little left gets more.
 * Any number of workers may look at once. Answers how many payments were asked for.
 */
export async function lookForTopUps(options: TopUpOptions): Promise<number> {
  const { context, stripe, livemode, log } = options;
  const { db, wallMs } = context;
  const now = async () => meterNow(await readClock(db), wallMs());
  const deps: CarryOutDeps = { db, wallMs, log, livemode, stripe, meterNow: now };
  const all = await db
    .select()
    .from(topUps)
    .where(or(topUps.enabled, sql`${topUps.judged} < ${topUps.attempts}`));
  const at = await now();
  let asked = 0;
  async function next(): Promise<void> {
    for (let row = all.shift(); row !== undefined; row = all.shift()) {
      const { org } = row;
      try {
        const isUnderWay = row.judged < row.attempts;
        if (isUnderWay || ((await isNeeded(context, row, at)) && (await beginTopUp(deps, org, at))))
          if ((await carryOutTopUp(deps, org)) !== null) asked += 1;
      } catch (error) {
        // One that fails keeps no other one from its minutes.
        log.error({ err: error, org }, 'a top-up failed on our side; it is looked at again');
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return asked;
}

async function isNeeded({ db, meter }: LedgerContext, row: TopUpRow, at: number): Promise<boolean> {
  if (!mayBegin(row, at)) return false;
  const period = await ensurePeriod(db, row.org, at);
  if (period === null) return false;
  const reply = await meter.readBudgets(row.org, [organizationBudget(row.org, period.startsAt)]);
  const budget = reply.status === 'ok' ? reply.budgets[0] : undefined;
  return budget !== undefined && isShort(budget, row.thresholdMs, at);
}

/** Whether minutes are being used, and no more are left now than the threshold. */
function isShort(budget: BudgetRow, thresholdMs: number, at: number): boolean {
  const { remainingMs, burnRate, frontierSumMs, startsAt } = budget;
  // null: there is no end to them.
  if (remainingMs === null || burnRate === 0) return false;
  // What was recorded since the last beats: the meter's own projection.
  const sinceMs = Math.max(0, burnRate * (at - startsAt) - frontierSumMs);
  return remainingMs - sinceMs <= thresholdMs;
}

export function startTopUps(options: TopUpOptions & { everyMs: number }): Repeated {
  const { everyMs, log } = options;
  return repeat({
    name: 'top-up',
    everyMs,
    log,
    async run() {
      const payments = await lookForTopUps(options);
      if (payments > 0) log.info({ payments }, 'top-ups were paid for, or tried');
    },
  });
}
