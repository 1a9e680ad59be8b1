/**
 * Tells the meter of a change of limits at once, so that running sessions see an upgrade, a
 * purchase or a suspension within a second. Best effort: the change itself left word in
 * meter_outbox, which the worker carries to the meter in any case; twice is as good as once, since
 * every limit carries its version (rule 7 of core/meter/README.md).
 */
import { type BudgetName, memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import { tellSessionLengths } from '../../drizzle/queries/tell-session-lengths.ts';
import type { HttpDeps } from './deps.ts';

/** More are left to the worker: a caller must not wait for a thousand organizations of one plan. */
export const MAX_ORGANIZATIONS_PUSHED = 100;
/** Budgets of one call to the meter. */
const BUDGETS_A_SEED = 200;
/** Organizations at the same time, of one caller. */
const PUSHED_AT_ONCE = 4;

type Deps = Pick<HttpDeps, 'db' | 'meter' | 'meterNow' | 'recoveryNeeded' | 'log'>;

/** Never throws. `user`: a member whose own limit changed, recording or not. */
export async function pushLimits(
  deps: Deps,
  orgs: readonly string[],
  user?: string,
): Promise<void> {
  const waiting = orgs.slice(0, MAX_ORGANIZATIONS_PUSHED);
  async function pushNext(): Promise<void> {
    for (let org = waiting.shift(); org !== undefined; org = waiting.shift()) {
      try {
        await pushOne(deps, org, user);
      } catch (error) {
        deps.log.warn({ err: error, org }, 'limits wait in the outbox for the worker');
      }
    }
  }
  await Promise.all(Array.from({ length: PUSHED_AT_ONCE }, pushNext));
}

async function pushOne(deps: Deps, org: string, user: string | undefined): Promise<void> {
  const names = await budgetsInUse(deps, org, user);
  for (let from = 0; from < names.length; from += BUDGETS_A_SEED) {
    const seeds = await loadSeeds(deps.db.of(org), org, names.slice(from, from + BUDGETS_A_SEED));
    if (seeds === null) return;
    const { status } = await deps.meter.seed(seeds);
    if (status === 'recover') deps.recoveryNeeded(org);
    if (status !== 'ok') deps.log.info({ org, status }, 'limits wait in the outbox for the worker');
  }
  // A member's own limit says nothing of lengths.
  if (user === undefined) await tellSessionLengths(deps.db.of(org), deps.meter, org);
}

/** Those of the present period, and those that live sessions draw on. */
async function budgetsInUse(
  { db, meter, meterNow }: Deps,
  org: string,
  user: string | undefined,
): Promise<BudgetName[]> {
  const names = new Set<BudgetName>();
  const period = await ensurePeriod(db.of(org), org, Math.floor(meterNow()));
  if (period !== null) {
    names.add(organizationBudget(org, period.startsAt));
    if (user !== undefined) names.add(memberBudget(org, user, period.startsAt));
  }
  const live = await meter.liveSessions(org);
  for (const session of live.status === 'ok' ? live.sessions : []) {
    // Just before a period begins, a session may still draw on the one before.
    names.add(organizationBudget(org, session.period));
    names.add(memberBudget(org, session.user, session.period));
  }
  return [...names];
}
