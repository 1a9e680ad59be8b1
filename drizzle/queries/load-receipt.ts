import { sql } from 'drizzle-orm';
import type { Queryable } from '../client.ts';
import type { SessionTerms } from '../schema/sessions.ts';
import { BURN_ORDER } from './burn-order.ts';

/** What the ledger has of one session, all of it of one snapshot. Instants in epoch ms. */
export interface ReceiptRows {
  session: string;
  org: string;
  user: string;
  state: 'live' | 'ended' | 'closed';
  startedAt: number;
  /** null: it has not ended */
  endedAt: number | null;
  reason: string | null;
  stoppedBy: string | null;
  recordedMs: number;
  overshootMs: number;
  termsAtStart: SessionTerms | null;
  termsAtEnd: SessionTerms | null;
  minutes: {
    minute: number;
    period: number;
    ms: number;
    planMs: number;
    extraMs: number;
    overageMs: number;
    billableMs: number;
    debtMs: number;
  }[];
  burns: { minute: number; period: number; purchase: string; ms: number }[];
  /** in burn order */
  lots: {
    purchase: string;
    source: string;
    package: string | null;
    purchasedAt: number;
    expiresAt: number | null;
    /** null: nothing of it was lent */
    lentMs: number | null;
  }[];
  periods: { startsAt: number; endsAt: number }[];
  givenBack: { adjustment: string; ms: number; reason: string; givenAt: number }[];
}

/** One statement, so that no part is newer than another. null: there is no such session. */
export async function loadReceipt(
  db: Queryable,
  org: string,
  session: string,
): Promise<ReceiptRows | null> {
  const [row] = await db.execute<{ found: ReceiptRows }>(sql`
    with s as (select * from sessions where org = ${org} and id = ${session}),
      minutes as (
        select u.* from s join usage_tracking u
          on u.session_month = s.start_month and u.org = s.org and u.session = s.id
      ), burns as (
        select u.* from s join extra_minutes_usage u
          on u.session_month = s.start_month and u.org = s.org and u.session = s.id
      ), lots as (
        -- One that was lent stays as it was then, whatever became of its payment.
        select l.id, l.source, l.package, p.started_at as held_at, p.hold_ms as lent_ms,
          coalesce(p.started_at, l.purchased_at) as purchased_at,
          case when p.id is null then l.expires_at end as expires_at
        from s join extra_minutes_purchases l on l.org = s.org
          left join payments p on p.id = l.id and p.hold_ms > 0
      )
    select json_build_object(
      'session', s.id, 'org', s.org, 'user', s.user_id, 'state', s.state,
      'startedAt', epoch_ms(s.started_at), 'endedAt', epoch_ms(s.ended_at), 'reason', s.reason,
      'stoppedBy', s.stopped_by, 'recordedMs', s.recorded_ms, 'overshootMs', s.overshoot_ms,
      'termsAtStart', s.terms_at_start, 'termsAtEnd', s.terms_at_end,
      'minutes', (select coalesce(json_agg(json_build_object('minute', minute,
        'period', epoch_ms(period), 'ms', ms, 'planMs', plan_ms, 'extraMs', extra_ms,
        'overageMs', overage_ms, 'billableMs', billable_ms, 'debtMs', debt_ms)
        order by minute, period), '[]') from minutes),
      'burns', (select coalesce(json_agg(json_build_object('minute', minute,
        'period', epoch_ms(period), 'purchase', purchase, 'ms', ms)
        order by minute, period, purchase collate "C"), '[]') from burns),
      'lots', (select coalesce(json_agg(json_build_object('purchase', id, 'source', source,
        'package', package, 'purchasedAt', epoch_ms(purchased_at),
        'expiresAt', epoch_ms(expires_at), 'lentMs', lent_ms)
        order by ${sql.raw(BURN_ORDER)}), '[]')
        from lots where id in (select purchase from burns)),
      'periods', (select coalesce(json_agg(json_build_object('startsAt', epoch_ms(starts_at),
        'endsAt', epoch_ms(ends_at)) order by starts_at), '[]') from billing_periods
        where org = s.org and starts_at in (select period from minutes)),
      'givenBack', (select coalesce(json_agg(json_build_object('adjustment', id, 'ms', ms,
        'reason', reason, 'givenAt', epoch_ms(created_at)) order by created_at, id collate "C"),
        '[]') from adjustments a where a.org = s.org and a.session = s.id)
    ) as found from s`);
  return row?.found ?? null;
}
