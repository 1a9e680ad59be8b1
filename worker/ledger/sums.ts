import type postgres from 'postgres';
import { type BudgetName, memberBudget, organizationBudget } from '../../core/meter/budget-name.ts';
import type { SettledAccount, SettledBudget } from '../../core/meter/commands.ts';
import { settledMember } from '../../drizzle/queries/load-seeds.ts';
import type { Batch } from './batch.ts';
import { distinct, periodKey } from './grouping.ts';

/** Settled sums as the meter takes them (rule 12 in core/meter/README.md). */
export interface Sums {
  budgets: SettledBudget[];
  accounts: SettledAccount[];
}

interface SumsRow {
  of: 'account' | 'period' | 'member';
  org: string;
  user: string | null;
  period: number | null;
  sequence: number;
  /** of an account: what it has drawn, in all periods */
  usedMs: number;
  planMs: number;
  extraMs: number;
  overageMs: number;
  quotaMs: number | null;
}

/**
 * Sums of every budget the batch names, grown or not: an earlier word may have been lost. And of
 * every period that drew on extra minutes: what an organization has drawn is of all of them, and a
 * meter that is told of a draw without the period that drew it counts it twice. One statement, so
 * that all are of one snapshot; to be asked when all else of the batch is written.
 */
export async function readSums(tx: postgres.TransactionSql, batch: Batch): Promise<Sums> {
  const orgs = [...new Set([...batch.sessions, ...batch.alerts].map((it) => it.org))];
  const periods = distinct(batch.minutes, periodKey).map(({ org, period }) => ({ org, period }));
  const members = distinct(batch.minutes, (it) => `${periodKey(it)}|${it.user}`).map(
    ({ org, user, period }) => ({ org, user, period }),
  );
  const rows = await tx<SumsRow[]>`
    select 'account' as of, id as org, null as "user", null::bigint as period,
      drawn_sequence as sequence, drawn_ms as "usedMs", 0::bigint as "planMs",
      0::bigint as "extraMs", 0::bigint as "overageMs", null::bigint as "quotaMs"
    from organizations where id = any(${orgs})
    union all
    select 'period', org, null, epoch_ms(starts_at), sequence, used_ms, plan_ms, extra_ms,
      overage_ms, null
    from billing_periods where org = any(${orgs}) and (extra_ms > 0
      or (org, starts_at) in (select org, from_epoch_ms(period)
        from json_to_recordset(${JSON.stringify(periods)}::json) as w (org text, period bigint)))
    union all
    select 'member', w.org, w."user", w.period, c.sequence, c.used_ms, 0, 0, 0, m.quota_ms
    from json_to_recordset(${JSON.stringify(members)}::json)
      as w (org text, "user" text, period bigint)
    join monthly_usage_cache c on c.org = w.org and c.user_id = w."user"
      and c.period = from_epoch_ms(w.period)
    left join organization_members m on m.org = w.org and m.user_id = w."user"`;
  const budgets = rows.flatMap((row) => (row.of === 'account' ? [] : [budgetOf(row)]));
  const accounts = rows.flatMap(({ of, org, sequence, usedMs }) =>
    of === 'account' ? [{ org, sequence, drawnMs: usedMs }] : [],
  );
  return { budgets, accounts };
}

function budgetOf(row: SumsRow): SettledBudget {
  const { org, user, period, sequence, usedMs, planMs, extraMs, overageMs, quotaMs } = row;
  if (user !== null) {
    return settledMember(memberBudget(org, user, period!), quotaMs, usedMs, sequence);
  }
  const name: BudgetName = organizationBudget(org, period!);
  return { name, sequence, usedMs, planMs, extraMs, overageMs };
}
