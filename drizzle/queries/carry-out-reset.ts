import { and, eq, gt, isNull, sql } from 'drizzle-orm';
import { type BudgetName, memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import type { Meter } from '../../core/meter/commands.ts';
import type { Database } from '../client.ts';
import { auditLog, meterOutbox } from '../schema/operations.ts';
import { billingPeriods, periodResets } from '../schema/periods.ts';
import { ensurePeriod } from './ensure-period.ts';
import { loadSeeds } from './load-seeds.ts';

export type PeriodReset = typeof periodResets.$inferSelect;
type ResetMeter = Pick<Meter, 'cut' | 'seed' | 'liveSessions'>;

/** The period may have to be seeded first, and may have been recovered in between. */
const ATTEMPTS = 4;
/** Budgets of one call to the meter. */
const BUDGETS_A_SEED = 200;

/** null: the shard has to be recovered first. */
async function endInMeter(
  db: Database,
  meter: ResetMeter,
  { org, period }: PeriodReset,
): Promise<number | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const reply = await meter.cut(org, period);
    if ('at' in reply) return reply.at;
    if (reply.status === 'recover') return null;
    const seeds = await loadSeeds(db, org, reply.budgets);
    if (seeds === null || (await meter.seed(seeds)).status === 'recover') return null;
  }
  return null;
}

/** The ledger follows: under the organization's lock, since another may be making its periods. */
async function endInLedger(db: Database, reset: PeriodReset, at: number): Promise<void> {
  const { id, org, period } = reset;
  await db.transaction(async (tx) => {
    await tx.execute(sql`select from organizations where id = ${org} for no key update`);
    const waits = and(eq(periodResets.id, id), isNull(periodResets.at));
    const [waiting] = await tx.select().from(periodResets).where(waits).for('update');
    if (waiting === undefined) return;
    if (at > period) {
      await tx
        .update(billingPeriods)
        .set({ endsAt: at, closedBy: 'reset' })
        .where(
          and(
            ...[eq(billingPeriods.org, org), eq(billingPeriods.startsAt, period)],
            gt(billingPeriods.endsAt, at),
          ),
        );
    }
    const next = (await ensurePeriod(tx, org, at))!;
    await tx.update(periodResets).set({ at, nextEndsAt: next.endsAt }).where(waits);
    const { reason, actor } = reset;
    const detail = { reset: id, reason, closed: { startsAt: period, endsAt: at }, period: next };
    const entry = { actor, action: 'period.reset', org, subject: id, detail };
    await tx.insert(auditLog).values(entry);
    await tx.insert(meterOutbox).values({ org });
  });
}

/** Whoever records moves on with its next word, and finds the new period there. */
async function tellMeter(db: Database, meter: ResetMeter, org: string, at: number): Promise<void> {
  const live = await meter.liveSessions(org);
  const users = live.status === 'ok' ? live.sessions.map((session) => session.user) : [];
  const names: BudgetName[] = [
    organizationBudget(org, at),
    ...[...new Set(users)].map((user) => memberBudget(org, user, at)),
  ];
  for (let from = 0; from < names.length; from += BUDGETS_A_SEED) {
    const seeds = await loadSeeds(db, org, names.slice(from, from + BUDGETS_A_SEED));
    if (seeds !== null) await meter.seed(seeds);
  }
}

/**
 * Carries out a reset that waits: the meter ends the running period at one instant of its own (rule
 * 19 in core/meter/README.md), then the ledger does, and a new one begins there. May be cut short
 * anywhere and be repeated by anybody: the meter answers the same instant again. Answers the reset as
 * it is now; where its `at` is null the shard has to be recovered first. null: there is none.
 * @throws when Redis or Postgres can't be asked
 */
export async function carryOutReset(
  db: Database,
  meter: ResetMeter,
  id: string,
): Promise<PeriodReset | null> {
  const find = async () =>
    (await db.select().from(periodResets).where(eq(periodResets.id, id)))[0] ?? null;
  const reset = await find();
  if (reset === null || reset.at !== null) return reset;
  const at = await endInMeter(db, meter, reset);
  if (at === null) return reset;
  await endInLedger(db, reset, at);
  const done = await find();
  if (done !== null && done.at !== null) await tellMeter(db, meter, reset.org, done.at);
  return done;
}
