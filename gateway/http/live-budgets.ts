/**
 * Budgets as they are now: from the meter and, where it holds none since nobody has recorded on
 * them yet, from the ledger's snapshot by the rules the meter itself is seeded by.
 */
import type { Period } from '../../core/calendar/period.ts';
import { type BudgetName, memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import type { AccountSeed, BudgetSeed } from '../../core/meter/commands.ts';
import { type BudgetRow, LimitMode } from '../../core/meter/rows.ts';
import type { Queryable } from '../../drizzle/client.ts';
import { ensurePeriod } from '../../drizzle/queries/ensure-period.ts';
import { loadSeeds } from '../../drizzle/queries/load-seeds.ts';
import type { HttpDeps } from './deps.ts';
import { ProblemError } from './problem.ts';

export interface LiveBudgets {
  /** Meter time of the figures. */
  at: number;
  period: Period;
  organization: BudgetRow;
  /** Null when no member was asked for. */
  member: BudgetRow | null;
}

type Deps = Pick<HttpDeps, 'db' | 'meter' | 'meterNow' | 'recoveryNeeded'>;

/**
 * Throws 404 for an unknown organization, 503 while the meter is being recovered.
 * @param db the request's own transaction, if it is in one
 */
export async function readLiveBudgets(
  deps: Deps,
  org: string,
  user: string | null,
  db: Queryable = deps.db.of(org),
): Promise<LiveBudgets> {
  const period = await presentPeriod(deps, org, db);
  const names = [organizationBudget(org, period.startsAt)];
  if (user !== null) names.push(memberBudget(org, user, period.startsAt));
  const reply = await deps.meter.readBudgets(org, names);
  if (reply.status === 'recover') throw recovering(deps, org);
  const rows = new Map(reply.budgets.map((row) => [row.name, row]));
  const missing = names.filter((name) => !rows.has(name));
  for (const row of await snapshot(db, org, missing)) rows.set(row.name, row);
  const [organization, member] = names.map((name) => rows.get(name)!);
  return { at: reply.now, period, organization: organization!, member: member ?? null };
}

/** The billing period of now; its row is made if it is not there yet. */
export async function presentPeriod(
  deps: Pick<Deps, 'db' | 'meterNow'>,
  org: string,
  db: Queryable = deps.db.of(org),
): Promise<Period> {
  const period = await ensurePeriod(db, org, Math.floor(deps.meterNow()));
  if (period === null) throw organizationUnknown(org);
  return period;
}

export function organizationUnknown(org: string): ProblemError {
  return new ProblemError(
    'organizationUnknown',
    `There is no organization "${org}". Make it first: PUT /v1/orgs/${org}.`,
  );
}

/** Of no use to answer with zeros: what is not known is not nothing. */
export function recovering(deps: Pick<HttpDeps, 'recoveryNeeded'>, org: string): ProblemError {
  deps.recoveryNeeded(org);
  return new ProblemError(
    'meterUnavailable',
    'The live meter is being rebuilt. Try again shortly.',
  );
}

async function snapshot(db: Queryable, org: string, names: BudgetName[]): Promise<BudgetRow[]> {
  if (names.length === 0) return [];
  const seeds = await loadSeeds(db, org, names);
  if (seeds === null) throw organizationUnknown(org);
  return seeds.budgets.map((seed) => rowOf(seed, seeds.account));
}

/** Nobody records on a budget that is not in the meter, and nothing of it is unsettled. */
function rowOf(seed: BudgetSeed, account: AccountSeed): BudgetRow {
  const { usedMs, planMs, extraMs, overageMs } = seed.settled;
  const isOrganization = seed.name.startsWith('o|');
  const extraRemainingMs = isOrganization
    ? Math.max(0, account.grantedMs - account.drawn.drawnMs)
    : 0;
  return {
    name: seed.name,
    seq: 0,
    quotaMs: seed.quotaMs,
    version: isOrganization ? Math.max(seed.version, account.version) : seed.version,
    mode: seed.mode,
    startsAt: seed.startsAt,
    endsAt: seed.endsAt,
    usedMs,
    planMs,
    extraMs,
    overageMs,
    remainingMs: remainingOf(seed, extraRemainingMs),
    extraRemainingMs,
    burnRate: 0,
    frontierSumMs: 0,
    stops: 0,
    stoppedAt: 0,
    stopReason: '',
    levels: seed.levels,
    crossed: seed.crossed,
  };
}

/** `remaining` of core/meter/README.md. */
function remainingOf(seed: BudgetSeed, extraRemainingMs: number): number | null {
  const { quotaMs, mode, overageCapMs, settled } = seed;
  if (quotaMs === null || mode === LimitMode.shadow) return null;
  const withinPlanMs = Math.max(0, quotaMs - settled.planMs);
  if (mode === LimitMode.stop) return withinPlanMs + extraRemainingMs;
  if (overageCapMs === null) return null;
  return withinPlanMs + extraRemainingMs + Math.max(0, overageCapMs - settled.overageMs);
}
