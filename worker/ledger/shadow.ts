import type postgres from 'postgres';
import { LimitMode } from '../../core/meter/rows.ts';
import { distinct, periodKey, sessionKey } from './grouping.ts';
import type { LockedPeriod } from './reads.ts';
import type { GrownMinute } from './writes.ts';

/**
 * In shadow mode nothing is stopped; that it would have been is written down here, once a session,
 * limit and period, in the transaction that settles what was recorded beyond the limit. So it is as
 * exact as the ledger, a repeat adds nothing, and the beat's way knows nothing of it. After the sums,
 * which it reads. A session that would not have been let in is not stopped, too.
 * @param now meter instant of the batch: a second after, as a rule
 */
export function noteShadowStops(
  tx: postgres.TransactionSql,
  grown: readonly GrownMinute[],
  periods: ReadonlyMap<string, LockedPeriod>,
  now: number,
): Promise<unknown>[] {
  const shadowed = grown.filter((it) => periods.get(periodKey(it))!.mode === LimitMode.shadow);
  if (shadowed.length === 0) return [];
  const named = distinct(shadowed, (it) => `${sessionKey(it)}|${it.period}`);
  const rows = named.map(({ org, session, user, period }) => ({ org, session, user, period }));
  return [
    tx`
      insert into shadow_decisions
        (org, what, reason, binding, user_id, session, period, decided_at, unit, used, allowed)
      select w.org, 'stopped', l.reason, l.binding, w."user", w.session, b.starts_at,
        from_epoch_ms(${now}), 'ms', l.used, l.allowed
      from json_to_recordset(${JSON.stringify(rows)}::json)
        as w (org text, session text, "user" text, period bigint)
      join billing_periods b on b.org = w.org and b.starts_at = from_epoch_ms(w.period)
      join organizations o on o.id = w.org
      join plans p on p.id = o.plan
      join sessions s on s.org = w.org and s.id = w.session
      left join organization_members m on m.org = w.org and m.user_id = w."user"
      left join monthly_usage_cache c on c.org = w.org and c.user_id = w."user"
        and c.period = b.starts_at
      cross join lateral (values
        ('limitReached', 'organization', b.used_ms,
          case when p.at_limit = 'stop' then b.plan_ms + b.extra_ms
               else b.plan_ms + b.extra_ms + p.overage_cap_ms end),
        ('limitReached', 'member', c.used_ms, m.quota_ms),
        ('sessionLimit', 'session', s.settled_ms, p.max_session_ms)
      ) as l (reason, binding, used, allowed)
      where l.used > l.allowed and not exists (
        select from shadow_decisions d where d.org = w.org and d.session = w.session
          and d.what = 'refused' and (d.binding = l.binding or d.binding = 'concurrency'))
      order by w.org, w.session, l.binding
      on conflict do nothing`,
  ];
}
