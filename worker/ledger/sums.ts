import type postgres from 'postgres';
import { memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import type { SettledAccount, SettledBudget } from '../../core/meter/commands.ts';
import { settledMember } from '../../drizzle/queries/load-seeds.ts';
import type { Batch } from './batch.ts';
import { distinct, groupBy, periodKey } from './grouping.ts';
import { type LockedOrganization, type LockedPeriod, readMemberSums } from './reads.ts';
import type { GrownMinute } from './writes.ts';

/** Settled sums as the meter takes them (rule 12 in core/meter/README.md). */
export interface Sums {
  budgets: SettledBudget[];
  accounts: SettledAccount[];
}

/** Sums of every budget the batch names, grown or not: an earlier word may have been lost. */
export async function sumsAfter(
  tx: postgres.TransactionSql,
  batch: Batch,
  orgs: Map<string, LockedOrganization>,
  periods: Map<string, LockedPeriod>,
  grown: GrownMinute[],
): Promise<Sums> {
  const byPeriod = groupBy(grown, periodKey);
  const sum = (minutes: GrownMinute[], part: 'ms' | 'planMs' | 'extraMs' | 'overageMs') =>
    minutes.reduce((total, it) => total + it.growth[part], 0);
  const budgets = [...periods.values()].map((it): SettledBudget => {
    const mine = byPeriod.get(periodKey(it)) ?? [];
    return {
      name: organizationBudget(it.org, it.period),
      sequence: it.sequence + (mine.length > 0 ? 1 : 0),
      usedMs: it.usedMs + sum(mine, 'ms'),
      planMs: it.planMs + sum(mine, 'planMs'),
      extraMs: it.extraMs + sum(mine, 'extraMs'),
      overageMs: it.overageMs + sum(mine, 'overageMs'),
    };
  });
  const members = distinct(batch.minutes, (it) => `${periodKey(it)}|${it.user}`);
  const memberRows = members.length === 0 ? [] : await readMemberSums(tx, members);
  for (const { org, user, period, quotaMs, usedMs, sequence } of memberRows) {
    budgets.push(settledMember(memberBudget(org, user, period), quotaMs, usedMs, sequence));
  }
  const byOrganization = groupBy(grown, (it) => it.org);
  const accounts = [...orgs.values()].map((it): SettledAccount => {
    const extraMs = sum(byOrganization.get(it.org) ?? [], 'extraMs');
    return {
      org: it.org,
      sequence: it.drawnSequence + (extraMs > 0 ? 1 : 0),
      drawnMs: it.drawnMs + extraMs,
    };
  });
  return { budgets, accounts };
}
